//! The pages' own files, and the two libraries that they use: in the program, under names that change with what is in them.

use std::sync::LazyLock;

use axum::{
    body::Bytes,
    extract::{Path, rejection::PathRejection},
    http::HeaderMap,
    response::Response,
};
use sha2::{Digest as _, Sha256};
use tokio::sync::OnceCell;

use crate::http::{
    assets::{Asset, FOR_GOOD},
    error::{ApiError, ApiResult},
};

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

/// A file's name, its media type, its bytes.
type Source = (&'static str, &'static str, &'static [u8]);

macro_rules! sources {
    ($($name:literal: $kind:expr, $path:literal;)*) => {
        [$(($name, $kind, include_bytes!(concat!("files/", $path)).as_slice())),*]
    };
}

const SOURCES: [Source; 7] = sources! {
    "site.css": STYLE, "site.css";
    "site.js": SCRIPT, "site.js";
    "charts.js": SCRIPT, "charts.js";
    "live.js": SCRIPT, "live.js";
    // htmx 2.0.11 and uPlot 1.6.32, as their packages have them; their licences stand beside them
    "htmx.js": SCRIPT, "vendor/htmx.min.js";
    "uplot.js": SCRIPT, "vendor/uplot.min.js";
    "uplot.css": STYLE, "vendor/uplot.min.css";
};

/// A file, its path, and its forms once somebody has asked for it.
struct Kept {
    source: Source,
    path: String,
    forms: OnceCell<Asset>,
}

static KEPT: LazyLock<Vec<Kept>> = LazyLock::new(|| SOURCES.iter().map(Kept::of).collect());

impl Kept {
    fn of(source: &Source) -> Self {
        let (name, _, bytes) = *source;
        let digest = Sha256::digest(bytes);
        let mark: String = digest.iter().take(6).map(|b| format!("{b:02x}")).collect();
        Kept {
            source: *source,
            path: format!("/assets/{mark}-{name}"),
            forms: OnceCell::new(),
        }
    }
}

/// Where a file is to be had; empty for one that there is not.
#[must_use]
pub fn path(name: &str) -> &'static str {
    let kept = KEPT.iter().find(|kept| kept.source.0 == name);
    kept.map_or("", |kept| &kept.path)
}

/// `/assets/{file}`
pub async fn file(
    headers: HeaderMap,
    name: Result<Path<String>, PathRejection>,
) -> ApiResult<Response> {
    let Path(name) = name?;
    let asked = |kept: &&Kept| kept.path.strip_prefix("/assets/") == Some(&*name);
    let kept = KEPT.iter().find(asked).ok_or_else(ApiError::not_found)?;
    let (_, kind, bytes) = kept.source;
    let make = || Asset::of(Bytes::from_static(bytes), kind.to_owned());
    let asset = kept.forms.get_or_try_init(make).await?;
    Ok(asset.answer(&headers, FOR_GOOD))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_libraries_are_what_their_packages_hold() {
        let known = [
            (
                "htmx.js",
                "d6fdc75f204e6bdefa99b69bf1e6d4ac69b8a364f77929f45c13476b4000f717",
            ),
            (
                "uplot.js",
                "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
            ),
            (
                "uplot.css",
                "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
            ),
        ];
        for (name, digest) in known {
            let source = SOURCES.iter().find(|source| source.0 == name).unwrap();
            let found: String = Sha256::digest(source.2)
                .iter()
                .map(|b| format!("{b:02x}"))
                .collect();
            assert_eq!(found, digest, "{name}");
        }
    }

    #[test]
    fn a_path_names_what_is_in_it() {
        assert!(path("site.css").starts_with("/assets/"));
        assert!(path("site.css").ends_with("-site.css"));
        assert_ne!(path("htmx.js"), path("uplot.js"));
        assert_eq!(path("nothing"), "");
    }
}
