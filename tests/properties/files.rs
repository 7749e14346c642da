//! bash recreates every file byte for byte.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use proptest::prelude::{Just, Strategy, prop};
use proptest::test_runner::TestCaseError;
use proptest::{prop_assert_eq, prop_oneof, proptest};

use crate::{cases, run, site, support, xml_text};

/// A line of a file: what could end a here-document, what a shell would expand, anything else.
fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "KGEN_EOF",
            "KGEN_EOF_1",
            "KGEN_EOF_2",
            "KGEN_EOF_7",
            "KGEN_EOF ",
            " KGEN_EOF",
            "KGEN_EOF\r",
            "EOF",
            "KGEN_",
            "",
            "$HOME `id` $(id)",
            "\\",
            "it's \"quoted\"",
            "cat <<EOF",
            "%include x",
            " % end",
            "KGEN_EOF_99999999999999999999",
        ])
        .prop_map(str::to_owned),
        "[ -~é漢]{0,12}",
    ]
}

fn value() -> impl Strategy<Value = String> {
    let line = prop_oneof![line(), "_|1|_1|KGEN_EOF|EOF|KGEN|OF_12?|\\PC{0,4}"];
    prop::collection::vec(line, 0..3).prop_map(|lines| lines.join("\n"))
}

/// Pieces of a file's text: a text, or the value of the attribute of this number.
type Body = Vec<Result<String, usize>>;

fn body() -> impl Strategy<Value = Body> {
    let text = prop::collection::vec(line(), 0..4).prop_map(|lines| Ok(lines.join("\n")));
    prop::collection::vec(prop_oneof![2 => text, 1 => (0_usize..3).prop_map(Err), 1 => Just(Ok("\n".to_owned()))], 0..6)
}

fn file_name() -> impl Strategy<Value = String> {
    let plain = "[a-zA-Z0-9 '\"$`!*?\\[\\]{}();&|<>#~=,:@%+_.é漢\\\\-]{1,20}";
    plain.prop_filter("a name of its own", |name| name.trim() == name && ![".", ".."].contains(&name.as_str()))
}

/// The body as an element's text.
fn as_xml(body: &Body) -> String {
    body.iter()
        .map(|piece| piece.as_ref().map_or_else(|number| format!("&v{number};"), |text| xml_text(text)))
        .collect()
}

/// What ends in a value gets a line end of its own, because kgen cannot know whether the value has one.
fn end_line(body: &mut Body) {
    body.retain(|piece| piece != &Ok(String::new()));
    if matches!(body.last(), Some(Err(_))) {
        body.push(Ok("\n".to_owned()));
    }
}

/// The body as the file is to hold it. A line end after the start tag is layout; a last line has its end.
fn as_file(body: &Body, values: &[String]) -> String {
    let mut literal = true;
    let mut text = String::new();
    for piece in body {
        match piece {
            Ok(piece) if literal && !piece.is_empty() => {
                text.push_str(piece.strip_prefix('\n').unwrap_or(piece));
                literal = false;
            }
            Ok(piece) => text.push_str(piece),
            Err(number) => {
                text.push_str(&values[*number]);
                literal = false;
            }
        }
    }
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

/// The script of the only `%post` of a kickstart.
fn script_of(kickstart: &str) -> &str {
    let (_, script) = kickstart.split_once("%post --interpreter=/bin/bash\n").unwrap();
    script.strip_suffix("%end\n").unwrap()
}

/// Runs a script in an empty directory, and gives the files that are there then.
fn bash(script: &str) -> BTreeMap<String, Vec<u8>> {
    let directory = tempfile::tempdir().unwrap();
    let work = directory.path().join("work");
    fs::create_dir(&work).unwrap();
    let path = directory.path().join("script");
    fs::write(&path, script).unwrap();
    let (content, said) = support::run(Command::new("bash").arg(&path).current_dir(&work));
    assert!(content && said.is_empty(), "{said}\n{script}");
    files_in(&work)
}

fn files_in(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect()
}

/// Compiles one script for a host with these values; `None` where kgen refuses because a section would end.
fn script(content: &str, values: &[String]) -> Result<Option<String>, TestCaseError> {
    let names: Vec<_> = (0..values.len()).map(|number| format!("v{number}")).collect();
    let attributes: Vec<_> = names.iter().map(String::as_str).zip(values.iter().map(String::as_str)).collect();
    let run = run(&site(&attributes), &format!("<post>{content}</post>"));
    match run.kickstarts.get("c0") {
        Some(kickstart) if !run.told.iter().any(|told| told.starts_with("error")) => {
            Ok(Some(script_of(kickstart).to_owned()))
        }
        _ if run.told.iter().any(|told| told.contains("end a section") || told.contains("ends a section")) => Ok(None),
        _ => Err(TestCaseError::fail(format!("{}\n{content}\n{values:?}", run.told.concat()))),
    }
}

proptest! {
    #![proptest_config(cases(250))]

    #[test]
    fn bash_recreates_each_file(name in file_name(), mut body in body(), values in prop::collection::vec(value(), 3)) {
        end_line(&mut body);
        let element = format!("<file name=\"{}\">{}</file>", xml_text(&name), as_xml(&body));
        if let Some(script) = script(&element, &values)? {
            let expected = BTreeMap::from([(name, as_file(&body, &values))]);
            let made: BTreeMap<_, _> =
                bash(&script).into_iter().map(|(name, content)| (name, String::from_utf8(content).unwrap())).collect();
            prop_assert_eq!(made, expected, "{}", script);
        }
    }

    #[test]
    fn bash_recreates_a_file_that_a_file_creates(mut body in body(), values in prop::collection::vec(value(), 3)) {
        end_line(&mut body);
        let element = format!(
            "<file name=\"outer\">\ncat <![CDATA[> before <<'EOF']]>\nx\nEOF\n\
             <file name=\"inner\">{}</file></file>\nbash outer\n",
            as_xml(&body)
        );
        if let Some(script) = script(&element, &values)? {
            let made = bash(&script);
            let inner = String::from_utf8_lossy(&made["inner"]).into_owned();
            prop_assert_eq!(inner, as_file(&body, &values), "{}", script);
            prop_assert_eq!(made["before"].as_slice(), b"x\n");
        }
    }

    #[test]
    fn a_name_is_one_word_whatever_stands_in_it(before in file_name(), value in file_name(), perms in "0[67][04]0") {
        let values = [value.clone()];
        let element = format!("<file name=\"x{}&v0;\" perms=\"{perms}\">y</file>", xml_text(&before));
        if let Some(script) = script(&element, &values)? {
            let expected = BTreeMap::from([(format!("x{before}{value}"), b"y\n".to_vec())]);
            prop_assert_eq!(bash(&script), expected, "{}", script);
        }
    }
}
