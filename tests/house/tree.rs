//! The files as modules: which path means which file, and in what order each `mod.rs` declares its own.

use std::collections::HashMap;

use super::{
    code::{Token, tokens},
    imports::{Declared, Written, declared, paths},
};

/// A Rust file of `src/`.
pub struct File {
    pub path: String,
    /// `src/http/admin/keys.rs` is `[http, admin, keys]`; `src/lib.rs` is `[]`.
    pub module: Vec<String>,
    pub tokens: Vec<Token>,
    pub declared: Vec<Declared>,
    pub written: Vec<Written>,
    /// Declared under `#[cfg(test)]`, or below a file that is.
    pub test: bool,
}

pub struct Tree {
    pub files: Vec<File>,
    by_module: HashMap<Vec<String>, usize>,
}

impl Tree {
    pub fn new(sources: &[(String, String)]) -> Self {
        let mut files: Vec<File> = sources
            .iter()
            .filter(|(path, _)| path.starts_with("src/") && path.ends_with(".rs"))
            .map(|(path, text)| {
                let tokens = tokens(text);
                File {
                    path: path.clone(),
                    module: module(path),
                    declared: declared(&tokens),
                    written: paths(&tokens),
                    tokens,
                    test: false,
                }
            })
            .collect();
        files.sort_by(|a, b| a.module.cmp(&b.module));
        let by_module: HashMap<_, _> = files
            .iter()
            .enumerate()
            .filter(|(_, file)| file.path != "src/main.rs")
            .map(|(n, file)| (file.module.clone(), n))
            .collect();
        let mut tree = Tree { files, by_module };
        // parents sort before their children, so one pass hands the mark down
        for n in 0..tree.files.len() {
            let Some((parent, declared)) = tree.declaration(&tree.files[n].module) else {
                continue;
            };
            tree.files[n].test = declared.test || tree.files[parent].test;
        }
        tree
    }

    /// Where a module is declared: the file, and the `mod name;` in it.
    pub fn declaration(&self, module: &[String]) -> Option<(usize, &Declared)> {
        let (name, parent) = module.split_last()?;
        let parent = *self.by_module.get(parent)?;
        let declared = self.files[parent].declared.iter();
        Some((parent, declared.into_iter().find(|d| d.name == *name)?))
    }

    /// The file in which the longest known part of an absolute path lies, and how many segments that part has.
    pub fn file_of(&self, path: &[String]) -> Option<(usize, usize)> {
        (0..=path.len())
            .rev()
            .find_map(|length| Some((*self.by_module.get(&path[..length])?, length)))
    }

    /// A path of this crate from its root; `None` for what other crates give.
    pub fn absolute(&self, from: &File, written: &Written) -> Option<Vec<String>> {
        self.resolve(
            from,
            &written.segments,
            written.depth,
            written.alias.is_none(),
        )
    }

    fn resolve(
        &self,
        from: &File,
        path: &[String],
        depth: usize,
        code: bool,
    ) -> Option<Vec<String>> {
        let (first, rest) = path.split_first()?;
        // inline modules stand in for their names: only how far `super` leads matters
        let mut base = from.module.clone();
        base.extend((0..depth).map(|_| "{inline}".to_owned()));
        match &**first {
            "crate" | "sigcast" => base.clear(),
            "self" => {}
            "super" => {
                base.pop();
            }
            child if depth == 0 && from.declared.iter().any(|d| d.name == child) => {
                base.push(child.to_owned());
            }
            name if code => return self.through_alias(from, name, rest),
            _ => return None,
        }
        for segment in rest {
            if segment == "super" {
                base.pop();
            } else {
                base.push(segment.clone());
            }
        }
        Some(base)
    }

    /// `hub::Frame` after `use crate::hub;`
    fn through_alias(&self, from: &File, name: &str, rest: &[String]) -> Option<Vec<String>> {
        let used = from
            .written
            .iter()
            .find(|w| w.alias.as_deref() == Some(name))?;
        let mut path = self.resolve(from, &used.segments, used.depth, false)?;
        let (_, known) = self.file_of(&path)?;
        if known < path.len() {
            return None; // an item: its `use` has been judged
        }
        path.extend(rest.iter().cloned());
        Some(path)
    }
}

fn module(path: &str) -> Vec<String> {
    let inner = path.trim_start_matches("src/").trim_end_matches(".rs");
    let inner = inner.trim_end_matches("/mod");
    if inner == "lib" || inner == "main" {
        return Vec::new();
    }
    inner.split('/').map(str::to_owned).collect()
}
