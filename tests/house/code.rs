//! Rust text as tokens: comments and literals gone, every token with its line and whether only tests compile it.

/// A word, a number, `::`, or any other single sign.
#[derive(Clone, Debug)]
pub struct Token {
    pub text: String,
    pub line: usize,
    /// Under `#[cfg(test)]`.
    pub test: bool,
    /// How many inline `mod name { … }` it stands in.
    pub depth: usize,
}

pub fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = split(&blank(text));
    mark_tests(&mut tokens);
    mark_depth(&mut tokens);
    tokens
}

/// The text with comments and literals turned into spaces; lines stay where they are.
///
/// A literal that is nothing but a path (`#[serde(with = "crate::model::x")]`) is code, and stays without its quotes.
pub fn blank(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let rest = &chars[at..];
        let fresh = at == 0 || !is_word(chars[at - 1]);
        let (length, keep) = match rest {
            ['/', '/', ..] => (line_comment(rest), false),
            ['/', '*', ..] => (block_comment(rest), false),
            ['"', ..] => string(rest, 0),
            ['b' | 'c', '"', ..] if fresh => string(rest, 1),
            ['b', '\'', ..] if fresh => (1 + char_literal(&rest[1..]).unwrap_or(0), false),
            ['r', '"' | '#', ..] if fresh => raw(rest, 1),
            ['b' | 'c', 'r', '"' | '#', ..] if fresh => raw(rest, 2),
            ['\'', ..] => match char_literal(rest) {
                Some(length) => (length, false),
                None => (1, true), // a lifetime
            },
            _ => (1, true),
        };
        let length = length.clamp(1, rest.len());
        for &c in &rest[..length] {
            out.push(if c == '\n' || (keep && c != '"') {
                c
            } else {
                ' '
            });
        }
        at += length;
    }
    out
}

fn line_comment(rest: &[char]) -> usize {
    rest.iter().position(|&c| c == '\n').unwrap_or(rest.len())
}

fn block_comment(rest: &[char]) -> usize {
    let (mut depth, mut at) = (0usize, 0);
    while at < rest.len() {
        match &rest[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

fn string(rest: &[char], prefix: usize) -> (usize, bool) {
    let mut at = prefix + 1;
    while at < rest.len() && rest[at] != '"' {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    let end = at.min(rest.len());
    let inner: String = rest[(prefix + 1).min(end)..end].iter().collect();
    (end + 1, prefix == 0 && is_path(&inner))
}

fn raw(rest: &[char], prefix: usize) -> (usize, bool) {
    let hashes = rest[prefix..].iter().take_while(|&&c| c == '#').count();
    if rest.get(prefix + hashes) != Some(&'"') {
        return (prefix + hashes, true); // a raw identifier
    }
    let mut at = prefix + hashes + 1;
    while at < rest.len() {
        let closes =
            rest[at] == '"' && rest[at + 1..].iter().take_while(|&&c| c == '#').count() >= hashes;
        at += 1;
        if closes {
            return (at + hashes, false);
        }
    }
    (rest.len(), false)
}

/// The length of a character literal; `None` where the quote begins a lifetime.
fn char_literal(rest: &[char]) -> Option<usize> {
    match rest {
        ['\'', '\\', _, tail @ ..] => Some(4 + tail.iter().position(|&c| c == '\'')?),
        ['\'', _, '\'', ..] => Some(3),
        _ => None,
    }
}

fn is_path(text: &str) -> bool {
    ["crate::", "super::", "self::"]
        .iter()
        .any(|start| text.starts_with(start))
        && text.chars().all(|c| is_word(c) || c == ':')
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn split(code: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    for (number, line) in code.lines().enumerate() {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let length = if is_word(first) {
                rest.find(|c| !is_word(c)).unwrap_or(rest.len())
            } else if rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            tokens.push(Token {
                text: rest[..length].to_owned(),
                line: number + 1,
                test: false,
                depth: 0,
            });
            rest = rest[length..].trim_start();
        }
    }
    // `r#type` is the word `type`
    let raw = |n: usize, tokens: &[Token]| {
        tokens[n].text == "r" && tokens.get(n + 1).is_some_and(|t| t.text == "#")
    };
    let mut n = 0;
    while n < tokens.len() {
        if raw(n, &tokens) {
            tokens.drain(n..n + 2);
        }
        n += 1;
    }
    tokens
}

/// Where the group that opens at `open` closes; the last token where it never does.
fn close(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0usize;
    for (n, token) in tokens.iter().enumerate().skip(open) {
        match &*token.text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return n;
        }
    }
    tokens.len() - 1
}

/// The last token of the item that begins at `start`, attributes included.
fn item_end(tokens: &[Token], start: usize) -> usize {
    let mut n = start;
    while n + 1 < tokens.len() && tokens[n].text == "#" && tokens[n + 1].text == "[" {
        n = close(tokens, n + 1) + 1;
    }
    let kind = kind(tokens, n);
    while n < tokens.len() {
        match (&*tokens[n].text, &kind) {
            (";", _) | (",", Kind::Part) => return n,
            ("{", Kind::Statement) => n = close(tokens, n),
            ("{", _) => return close(tokens, n),
            ("(" | "[", _) => n = close(tokens, n),
            ("}" | ")" | "]", _) => return n.saturating_sub(1),
            _ => {}
        }
        n += 1;
    }
    tokens.len() - 1
}

enum Kind {
    /// Ends at its semicolon: `use`, `const`, `static`, `type`, `let`.
    Statement,
    /// Ends with its body, or at a semicolon where it has none.
    Bodied,
    /// A field, a variant, an arm: ends at a comma.
    Part,
}

fn kind(tokens: &[Token], start: usize) -> Kind {
    let mut n = start;
    while let Some(token) = tokens.get(n) {
        let next = tokens.get(n + 1).map_or("", |t| &*t.text);
        match &*token.text {
            "pub" if next == "(" => n = close(tokens, n + 1),
            "pub" | "unsafe" | "async" | "extern" => {}
            "const" if matches!(next, "fn" | "unsafe" | "async" | "extern") => {}
            "use" | "const" | "static" | "type" | "let" => return Kind::Statement,
            "fn" | "mod" | "struct" | "enum" | "union" | "impl" | "trait" | "macro_rules" => {
                return Kind::Bodied;
            }
            _ => return Kind::Part,
        }
        n += 1;
    }
    Kind::Part
}

fn mark_tests(tokens: &mut [Token]) {
    let mut n = 0;
    while n + 1 < tokens.len() {
        let inner = tokens[n + 1].text == "!";
        let open = n + 1 + usize::from(inner);
        if tokens[n].text != "#" || tokens.get(open).is_none_or(|t| t.text != "[") {
            n += 1;
            continue;
        }
        let end = close(tokens, open);
        let words = |word: &str| tokens[open..end].iter().any(|t| t.text == word);
        // `cfg_attr(test, …)` compiles the item always; `any(test, …)` and `not(test)` outside tests too
        let only_tests =
            tokens[open + 1].text == "cfg" && words("test") && !words("not") && !words("any");
        if only_tests {
            let last = if inner {
                tokens.len() - 1
            } else {
                item_end(tokens, end + 1)
            };
            for token in &mut tokens[n..=last] {
                token.test = true;
            }
        }
        n = end + 1;
    }
}

fn mark_depth(tokens: &mut [Token]) {
    let mut open_mods = Vec::new(); // brace depths at which an inline module began
    let mut braces = 0usize;
    for n in 0..tokens.len() {
        match &*tokens[n].text {
            "{" => {
                braces += 1;
                if n >= 2 && tokens[n - 2].text == "mod" {
                    open_mods.push(braces);
                }
            }
            "}" => {
                if open_mods.last() == Some(&braces) {
                    open_mods.pop();
                }
                braces = braces.saturating_sub(1);
            }
            _ => {}
        }
        tokens[n].depth = open_mods.len();
    }
}
