//! Versions are ordered as rpm itself orders them.

use std::cmp::Ordering;
use std::fmt::Write;
use std::process::Command;

use kgen::dist::nevra::compare_versions;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::support::program;

/// What people write, and what is easily got wrong.
const VERSIONS: &[&str] = &[
    "0",
    "00",
    "1",
    "01",
    "1.0",
    "1.00",
    "1.05",
    "1.5",
    "1.10",
    "1.9",
    "2.0",
    "2.0.1",
    "2.0.1a",
    "2.0.1b",
    "10",
    "9",
    "1.0~rc1",
    "1.0~rc2",
    "1.0~rc1~git123",
    "1.0~",
    "1.0^",
    "1.0^git1",
    "1.0^git1~pre",
    "1.0~rc1^git1",
    "1.0.1",
    "1.0a",
    "1.0.a",
    "a",
    "b",
    "ab",
    "a1",
    "1a",
    "5.5p1",
    "5.5p10",
    "5.5p2",
    "10xyz",
    "10.1xyz",
    "xyz10",
    "xyz10.1",
    "xyz.4",
    "8",
    "xyz.8",
    "2",
    "5.5p1-2",
    "1_2",
    "1+2",
    "1..2",
    ".1",
    "1.",
    "20230101",
    "20221231",
    "4294967296",
    "18446744073709551616",
    "18446744073709551617",
    "0.0.0",
    "el9",
    "el9_4",
    "el9.1",
    "1.el9",
    "1.el9_4.2",
    "~",
    "^",
    "~~",
    "^^",
    "~^",
    "1~~",
    "1.0~rc1.2",
    "1.0^20240101.abcdef",
    "1.0^20240101.abcdeg",
    "99999999999999999999999",
];

/// What rpm says of each pair, in one run of it.
fn of_rpm(pairs: &[(String, String)]) -> Option<Vec<Ordering>> {
    let rpm = program("rpm")?;
    let mut answers = Vec::new();
    for pairs in pairs.chunks(500) {
        let mut script = String::from("%{lua:");
        for (one, other) in pairs {
            write!(script, "print(rpm.vercmp(\"{one}\", \"{other}\") .. \" \");").unwrap();
        }
        script.push('}');
        let output = Command::new(&rpm).args(["--eval", &script]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        answers.extend(text.split_whitespace().map(|answer| answer.parse::<i32>().unwrap().cmp(&0)));
    }
    assert_eq!(answers.len(), pairs.len());
    Some(answers)
}

fn compare(pairs: Vec<(String, String)>) {
    let Some(answers) = of_rpm(&pairs) else { return };
    let mut wrong = Vec::new();
    for ((one, other), answer) in pairs.iter().zip(answers) {
        let ours = compare_versions(one, other);
        if ours != answer {
            wrong.push(format!("{one} {other}: rpm {answer:?}, kgen {ours:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), pairs.len(), wrong.join("\n"));
}

#[test]
fn versions_that_people_write_are_ordered_as_rpm_orders_them() {
    let pairs = VERSIONS.iter().flat_map(|one| VERSIONS.iter().map(|other| (one.to_string(), other.to_string())));
    compare(pairs.collect());
}

#[test]
fn random_versions_are_ordered_as_rpm_orders_them() {
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let version = "[0-9a-cA-B.~^_+]{1,9}";
    let mut pairs = Vec::new();
    for _ in 0..6000 {
        pairs.push((version, version).new_tree(&mut runner).unwrap().current());
        // Two that have much in common.
        let (stem, one, other) = (version, "[0-9a.~^]{0,3}", "[0-9a.~^]{0,3}").new_tree(&mut runner).unwrap().current();
        pairs.push((format!("{stem}{one}"), format!("{stem}{other}")));
    }
    compare(pairs);
}

#[test]
fn epochs_count_before_versions_and_releases_after() {
    let evr = kgen::dist::nevra::Evr::parse;
    assert!(evr("1:1-1") > evr("9-9"));
    assert!(evr("1.0-2") > evr("1.0-1"));
    assert!(evr("0:1.0-1") == evr("1.0-1"));
    assert!(evr("1.0~rc1-9") < evr("1.0-1"));
}
