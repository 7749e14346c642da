//! A boot script as iPXE goes through it: as much of <https://ipxe.org/scripting> as kgen writes.
//!
//! What concerns nobody outside is done here; [`Script::step`] gives what the machine has to do next.

use std::collections::BTreeMap;

/// How many commands may follow each other without anything that takes time.
const MOST_COMMANDS: usize = 10_000;

/// What a machine has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Wait, in seconds.
    Sleep(u64),
    /// Go on with another script.
    Chain(String),
    /// Load a kernel, to be started with these arguments.
    Kernel(String, Vec<String>),
    /// Load another file beside it.
    Initrd(String),
    /// Start what was loaded.
    Boot,
    /// Start from its own disk, or whatever comes next.
    Disk,
    /// Nothing: the script ends here, and why.
    End(String),
}

/// A script on its way.
#[derive(Debug)]
pub struct Script {
    lines: Vec<String>,
    /// The line that comes next.
    at: usize,
    /// Commands of the line before it that are still to come, each with what stands before it.
    rest: Vec<(Join, Vec<String>)>,
    /// Whether the last command was content.
    is_content: bool,
    settings: BTreeMap<String, String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Join {
    First,
    And,
    Or,
}

impl Script {
    /// A script, and what `${..}` stands for; `None` of a text that is none.
    pub fn new(text: &str, settings: impl IntoIterator<Item = (&'static str, String)>) -> Option<Self> {
        let settings = settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let lines: Vec<_> = text.lines().map(|line| line.trim().to_owned()).collect();
        let starts = lines.first().is_some_and(|line| line == "#!ipxe");
        starts.then_some(Self { lines, at: 0, rest: Vec::new(), is_content: true, settings })
    }

    /// What comes next. What the machine was given before went well, or it would not ask.
    pub fn step(&mut self) -> Step {
        for _ in 0..MOST_COMMANDS {
            if self.rest.is_empty() {
                if !self.is_content {
                    return Step::End(format!("line {} fails", self.at));
                }
                let Some(line) = self.lines.get(self.at) else { return Step::End("it ends".to_owned()) };
                self.at += 1;
                self.rest = commands(line);
                continue;
            }
            let (join, words) = self.rest.remove(0);
            let skipped = match join {
                Join::First => false,
                Join::And => !self.is_content,
                Join::Or => self.is_content,
            };
            if skipped {
                continue;
            }
            self.is_content = true;
            let words: Vec<_> = words.iter().map(|word| self.expanded(word)).collect();
            let words: Vec<_> = words.iter().map(String::as_str).collect();
            if let Some(step) = self.carry_out(&words) {
                return step;
            }
        }
        Step::End("it goes in circles".to_owned())
    }

    fn carry_out(&mut self, words: &[&str]) -> Option<Step> {
        // No option that kgen writes matters here, but those with a value have to go with it.
        let plain = match words {
            ["initrd", "--name", _, rest @ ..] => rest,
            [_, rest @ ..] => rest,
            [] => return None,
        };
        let mut plain = plain.iter().skip_while(|word| word.starts_with("--"));
        let first = plain.next().map_or(String::new(), |word| (*word).to_owned());
        match words[0] {
            "echo" | "imgfree" => None,
            "set" => {
                let name = first.split(':').next().unwrap_or_default().to_owned();
                self.settings.insert(name, plain.copied().collect::<Vec<_>>().join(" "));
                None
            }
            "inc" => {
                let value = self.settings.entry(first).or_default();
                *value = (value.parse::<u64>().unwrap_or_default() + 1).to_string();
                None
            }
            "iseq" => {
                self.is_content = plain.next() == Some(&first.as_str());
                None
            }
            "goto" => {
                let label = format!(":{first}");
                self.rest.clear();
                self.at = self.lines.iter().position(|line| *line == label)?;
                None
            }
            "sleep" => Some(Step::Sleep(first.parse().unwrap_or(1))),
            "chain" => Some(Step::Chain(first)),
            "kernel" => Some(Step::Kernel(first, plain.map(|word| (*word).to_owned()).collect())),
            "initrd" => Some(Step::Initrd(first)),
            "boot" => Some(Step::Boot),
            "sanboot" | "exit" => Some(Step::Disk),
            other => Some(Step::End(format!("`{other}` is no command that is known here"))),
        }
    }

    /// With values for `${..}`; what is not set is nothing.
    fn expanded(&self, word: &str) -> String {
        let mut out = String::new();
        let mut rest = word;
        while let Some((before, name, after)) = rest
            .split_once("${")
            .and_then(|(before, inside)| Some((before, inside.split_once('}')?)))
            .map(|(before, (name, after))| (before, name, after))
        {
            out.push_str(before);
            out.push_str(self.settings.get(name).map_or("", String::as_str));
            rest = after;
        }
        out + rest
    }
}

/// The commands of a line, apart at `||` and `&&`; none of a comment or a label.
fn commands(line: &str) -> Vec<(Join, Vec<String>)> {
    if line.starts_with('#') || line.starts_with(':') {
        return Vec::new();
    }
    let mut commands = vec![(Join::First, Vec::new())];
    for word in line.split_whitespace() {
        match (word, commands.last_mut()) {
            ("||", _) => commands.push((Join::Or, Vec::new())),
            ("&&", _) => commands.push((Join::And, Vec::new())),
            (word, Some((_, words))) => words.push(word.to_owned()),
            (_, None) => {}
        }
    }
    commands
}

/// A path from a script to what it names; `None` of what is on another server. `ours` are the beginnings of URLs that
/// are this server's.
pub fn resolved(base: &str, name: &str, ours: &[String]) -> Option<String> {
    if name.contains("://") {
        let below = |server: &String| name.strip_prefix(server.as_str()).filter(|rest| rest.starts_with('/'));
        return ours.iter().find_map(below).map(str::to_owned);
    }
    if name.starts_with('/') {
        return Some(name.to_owned());
    }
    let mut parts: Vec<&str> = base.split('/').collect();
    parts.pop();
    for part in name.split('/') {
        match part {
            ".." if parts.len() > 1 => drop(parts.pop()),
            "." | ".." => {}
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emit::ipxe::{busy, entry};

    fn steps(text: &str, platform: &str, most: usize) -> Vec<Step> {
        let settings = [("netX/mac:hexhyp", "52-54-00-00-00-01".to_owned()), ("platform", platform.to_owned())];
        let mut script = Script::new(text, settings).unwrap();
        (0..most).map(|_| script.step()).collect()
    }

    #[test]
    fn the_entry_asks_for_the_script_of_the_machine_and_then_for_others() {
        let steps = steps(&entry(), "pcbios", 5);
        let chain = |name: &str| Step::Chain(format!("ipxe/{name}.ipxe"));
        let own = || chain("52-54-00-00-00-01");
        // It has no IP address here, and no UUID.
        assert_eq!(steps, [own(), chain(""), chain(""), Step::Sleep(2), own()]);
    }

    #[test]
    fn a_busy_script_waits_and_asks_again() {
        assert_eq!(steps(&busy("a.ipxe", 3, 7), "pcbios", 2), [Step::Sleep(7), Step::Chain("a.ipxe".into())]);
    }

    #[test]
    fn conditions_labels_and_ends() {
        let disk = "#!ipxe\n# x\niseq ${platform} efi || sanboot --no-describe --drive 0x80 ||\nexit 1\n";
        assert_eq!(steps(disk, "pcbios", 1), [Step::Disk]);
        assert_eq!(steps(disk, "efi", 1), [Step::Disk]);
        let text = "#!ipxe\nset a:int32 1\n:start\niseq ${a} 2 && goto end ||\ninc a\ngoto start\n:end\n\
                    kernel k a=${a} b || goto failed\ninitrd --name i x\nboot || goto failed\nfalse\n";
        let kernel = Step::Kernel("k".into(), vec!["a=2".into(), "b".into()]);
        assert_eq!(steps(text, "efi", 3), [kernel, Step::Initrd("x".into()), Step::Boot]);
        assert!(matches!(steps("#!ipxe\n:a\ngoto a\n", "efi", 1)[0], Step::End(_)));
        assert!(Script::new("<html>", []).is_none());
    }

    #[test]
    fn paths_are_relative_to_the_script() {
        let ours = ["http://10.1.1.1:8080".to_owned()];
        let path = |name| resolved("/boot/ipxe/a.ipxe", name, &ours);
        assert_eq!(path("b.ipxe").unwrap(), "/boot/ipxe/b.ipxe");
        assert_eq!(path("../el9/vmlinuz").unwrap(), "/boot/el9/vmlinuz");
        assert_eq!(path("http://10.1.1.1:8080/install/x").unwrap(), "/install/x");
        assert_eq!(path("http://10.1.1.1:80801/install/x"), None);
    }
}
