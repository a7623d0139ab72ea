//! What a file reaches: every path it writes, with `use` groups unfolded.

use super::code::Token;

/// One path, as it stands in the text.
#[derive(Clone, Debug)]
pub struct Written {
    pub segments: Vec<String>,
    pub line: usize,
    pub test: bool,
    pub depth: usize,
    /// From a `use`: the name under which it is known here (`*` for a glob).
    pub alias: Option<String>,
}

/// A `mod name;`
#[derive(Clone, Debug)]
pub struct Declared {
    pub name: String,
    pub line: usize,
    pub test: bool,
}

pub fn declared(tokens: &[Token]) -> Vec<Declared> {
    let mut found = Vec::new();
    for window in tokens.windows(3) {
        if window[0].text == "mod" && window[2].text == ";" && window[0].depth == 0 {
            found.push(Declared {
                name: window[1].text.clone(),
                line: window[1].line,
                test: window[0].test,
            });
        }
    }
    found
}

pub fn paths(tokens: &[Token]) -> Vec<Written> {
    let mut found = Vec::new();
    let mut n = 0;
    while n < tokens.len() {
        // `use<'a>` in a type is no import
        if tokens[n].text == "use" && tokens.get(n + 1).is_some_and(|t| t.text != "<") {
            n = tree(tokens, n + 1, &[], &mut found);
        } else if is_name(&tokens[n].text) && follows(tokens, n + 1) && !preceded(tokens, n) {
            n = plain(tokens, n, &mut found);
        } else {
            n += 1;
        }
    }
    found
}

/// Reads one `use` tree from `n`; gives the token after it.
fn tree(tokens: &[Token], mut n: usize, base: &[String], found: &mut Vec<Written>) -> usize {
    let mut segments = base.to_vec();
    let line = tokens.get(n).map_or(0, |t| t.line);
    while let Some(token) = tokens.get(n) {
        match &*token.text {
            "::" => n += 1,
            "{" => {
                n += 1;
                while tokens.get(n).is_some_and(|t| t.text != "}") {
                    let before = n;
                    n = tree(tokens, n, &segments, found);
                    if tokens.get(n).is_some_and(|t| t.text == ",") || n == before {
                        n += 1;
                    }
                }
                return n + 1;
            }
            "*" => {
                push(tokens, n, segments, line, Some("*".into()), found);
                return n + 1;
            }
            "as" => {
                let name = tokens.get(n + 1).map(|t| t.text.clone());
                push(tokens, n, segments, line, name, found);
                return n + 2;
            }
            name if is_name(name) => {
                // `{self, …}` is the path before it; a leading `self` is kept
                if name != "self" || segments.is_empty() {
                    segments.push(name.to_owned());
                }
                n += 1;
            }
            _ => break,
        }
    }
    let name = segments.last().cloned();
    push(tokens, n.saturating_sub(1), segments, line, name, found);
    n
}

/// Reads one path in code from `n`; gives the token after it. What a turbofish holds is read on its own.
fn plain(tokens: &[Token], mut n: usize, found: &mut Vec<Written>) -> usize {
    let (start, line) = (n, tokens[n].line);
    let mut segments = vec![tokens[n].text.clone()];
    while follows(tokens, n + 1) {
        match tokens.get(n + 2) {
            Some(next) if is_name(&next.text) => segments.push(next.text.clone()),
            _ => break,
        }
        n += 2;
    }
    push(tokens, start, segments, line, None, found);
    n + 1
}

fn push(
    tokens: &[Token],
    at: usize,
    segments: Vec<String>,
    line: usize,
    alias: Option<String>,
    found: &mut Vec<Written>,
) {
    let Some(token) = tokens.get(at.min(tokens.len().saturating_sub(1))) else {
        return;
    };
    found.push(Written {
        segments,
        line: line.max(1),
        test: token.test,
        depth: token.depth,
        alias,
    });
}

fn follows(tokens: &[Token], n: usize) -> bool {
    tokens.get(n).is_some_and(|t| t.text == "::")
}

fn preceded(tokens: &[Token], n: usize) -> bool {
    n > 0 && matches!(&*tokens[n - 1].text, "::" | ".")
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}
