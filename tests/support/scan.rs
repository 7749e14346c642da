//! Rust source as far as the layering test needs it: words and signs without comments and texts, what stands in
//! test modules, and the paths that a file names.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// One file of `src/`.
pub struct SourceFile {
    /// Below the package, with `/` between parts: `src/syntax/xml.rs`.
    pub path: String,
    /// Its module: `syntax::xml`; empty for `lib.rs`, `main` for `main.rs`.
    pub module: String,
    /// The file as it is.
    pub text: String,
    /// Its words and signs; `::` is one.
    pub tokens: Vec<Token>,
}

/// A word or sign.
pub struct Token {
    /// Its text.
    pub text: String,
    /// Its line, from 1.
    pub line: usize,
    /// Whether it stands in a module or function that is there for tests only.
    pub in_test: bool,
}

/// A path that a file names.
#[derive(Clone, Debug)]
pub struct Used {
    /// `crate::name::ModuleName` as its parts without the first.
    pub parts: Vec<String>,
    /// Its line.
    pub line: usize,
    /// Whether only a test names it.
    pub in_test: bool,
}

/// All Rust files below `src/`, by path.
pub fn files() -> Vec<SourceFile> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = BTreeSet::new();
    collect(&root.join("src"), &mut paths);
    paths.into_iter().map(|path| read(root, &path)).collect()
}

fn collect(folder: &Path, paths: &mut BTreeSet<std::path::PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.insert(path);
        }
    }
}

fn read(root: &Path, path: &Path) -> SourceFile {
    let text = fs::read_to_string(path).unwrap();
    let path = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
    let module = path.strip_prefix("src/").unwrap().strip_suffix(".rs").unwrap();
    let module = module.strip_suffix("/mod").unwrap_or(module).replace('/', "::");
    let mut tokens = tokens(&text);
    mark_tests(&mut tokens);
    SourceFile { path, module: if module == "lib" { String::new() } else { module }, text, tokens }
}

/// Words and signs of Rust, without comments and the insides of texts.
pub fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < chars.len() {
        let end = token_end(&chars, at);
        let token: String = chars[at..end].iter().collect();
        if chars[at].is_alphanumeric() || chars[at] == '_' || (!chars[at].is_whitespace() && end - at <= 2) {
            tokens.push(Token { text: token.clone(), line, in_test: false });
        }
        line += token.matches('\n').count();
        at = end;
    }
    tokens
}

/// Where the token ends that starts at `at`. Comments and texts are tokens too, longer than any sign.
fn token_end(chars: &[char], at: usize) -> usize {
    let find = |from: usize, end: &[char]| {
        (from..chars.len()).find(|from| chars[*from..].starts_with(end)).map_or(chars.len(), |found| found + end.len())
    };
    let next = chars.get(at + 1).copied().unwrap_or(' ');
    match chars[at] {
        '/' if next == '/' => find(at, &['\n']),
        '/' if next == '*' => find(at + 2, &['*', '/']),
        '"' => end_of_text(chars, at + 1, '"'),
        'r' if next == '"' || (next == '#' && matches!(chars.get(at + 2), Some('#' | '"'))) => {
            let hashes = chars[at + 1..].iter().take_while(|c| **c == '#').count();
            let mut end = vec!['"'];
            end.resize(hashes + 1, '#');
            find(at + hashes + 2, &end)
        }
        'b' if next == '"' => end_of_text(chars, at + 2, '"'),
        'b' if next == '\'' => end_of_text(chars, at + 2, '\''),
        // A character, or else the quote of a lifetime.
        '\'' if next == '\\' || chars.get(at + 2) == Some(&'\'') => end_of_text(chars, at + 1, '\'').max(at + 3),
        ':' if next == ':' => at + 2,
        c if c.is_alphanumeric() || c == '_' => {
            let word = chars[at..].iter().take_while(|c| c.is_alphanumeric() || **c == '_').count();
            at + word
        }
        _ => at + 1,
    }
}

fn end_of_text(chars: &[char], mut at: usize, quote: char) -> usize {
    while at < chars.len() && chars[at] != quote {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(chars.len())
}

/// Marks what follows `#[cfg(test)]` up to the end of its block.
pub fn mark_tests(tokens: &mut [Token]) {
    let attribute = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut at = 0;
    while at + attribute.len() < tokens.len() {
        if !attribute.iter().enumerate().all(|(offset, word)| tokens[at + offset].text == *word) {
            at += 1;
            continue;
        }
        let mut depth = 0;
        loop {
            tokens[at].in_test = true;
            match tokens[at].text.as_str() {
                "{" => depth += 1,
                "}" => depth -= 1,
                _ => {}
            }
            let closed = depth == 0 && matches!(tokens[at].text.as_str(), "}" | ";");
            at += 1;
            if closed || at == tokens.len() {
                break;
            }
        }
    }
}

impl SourceFile {
    /// Whether the words and signs at `at` are these.
    pub fn is_at(&self, at: usize, words: &[&str]) -> bool {
        words.iter().enumerate().all(|(offset, word)| self.tokens.get(at + offset).is_some_and(|t| t.text == *word))
    }

    /// Every path that starts with `root::`, groups in braces taken apart.
    pub fn paths_from(&self, root: &str) -> Vec<Used> {
        let mut found = Vec::new();
        for at in 0..self.tokens.len() {
            let starts = self.is_at(at, &[root, "::"]) && (at == 0 || self.tokens[at - 1].text != "::");
            if starts {
                let mut next = at + 2;
                self.tree(&mut next, &mut Vec::new(), &mut found);
            }
        }
        found
    }

    /// One branch of a `use` tree, or an inline path.
    fn tree(&self, at: &mut usize, parts: &mut Vec<String>, found: &mut Vec<Used>) {
        let Some(token) = self.tokens.get(*at) else { return };
        let depth = parts.len();
        if token.text == "{" {
            *at += 1;
            while !self.is_at(*at, &["}"]) && *at < self.tokens.len() {
                self.tree(at, &mut parts.clone(), found);
                if self.is_at(*at, &["as"]) {
                    *at += 2;
                }
                if self.is_at(*at, &[","]) {
                    *at += 1;
                }
            }
            *at += 1;
            return;
        }
        parts.push(token.text.clone());
        *at += 1;
        let goes_on =
            self.tokens.get(*at + 1).is_some_and(|next| next.text == "{" || next.text == "*" || is_word(next));
        if self.is_at(*at, &["::"]) && goes_on {
            *at += 1;
            self.tree(at, parts, found);
        } else {
            found.push(Used { parts: parts.clone(), line: token.line, in_test: token.in_test });
        }
        parts.truncate(depth);
    }
}

fn is_word(token: &Token) -> bool {
    token.text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}
