//! Conditions read back as they print, and answer as their print does.

use proptest::prelude::{Just, Strategy, any, prop};
use proptest::test_runner::TestCaseError;
use proptest::{prop_assert, prop_assert_eq, prop_oneof, proptest};

use kgen::condition::Condition;

use crate::{cases, entries};

/// An expression as people write it, with more blanks and parentheses than needed.
fn expression() -> impl Strategy<Value = String> {
    let operand = prop_oneof![
        Just("None".to_owned()),
        Just("True".to_owned()),
        Just("[]".to_owned()),
        Just("a.b".to_owned()),
        "[a-z_][a-z0-9_]{0,6}".prop_filter("a word of the language", |word| !KEYWORDS.contains(&word.as_str())),
        any::<i64>().prop_map(|number| number.saturating_abs().to_string()),
        any::<i32>().prop_map(|number| number.to_string()),
        (any::<u16>(), any::<u16>()).prop_map(|(whole, part)| format!("{whole}.{part}")),
        (0_u8..20).prop_map(|zeros| format!("0.{}1", "0".repeat(zeros.into()))),
        "[^'\\x00]{0,8}".prop_map(|text| format!("'{text}'")),
        "[^\"\\x00]{0,8}".prop_map(|text| format!("\"{text}\"")),
    ];
    operand.prop_recursive(5, 40, 4, |inner| {
        let sign = prop::sample::select(vec!["==", "!=", "<", "<=", ">", ">=", " in ", " not in "]);
        let word = prop::sample::select(vec!["and", "or"]);
        let list = prop::collection::vec(inner.clone(), 0..4);
        prop_oneof![
            (inner.clone(), sign.clone(), inner.clone()).prop_map(|(l, s, r)| format!("({l}) {s} ({r})")),
            (inner.clone(), sign.clone(), inner.clone(), sign, inner.clone())
                .prop_map(|(a, s, b, t, c)| format!("({a}){s}({b}){t}({c})")),
            (inner.clone(), word.clone(), inner.clone()).prop_map(|(l, w, r)| format!("{l} {w} {r}")),
            (inner.clone(), word, inner.clone()).prop_map(|(l, w, r)| format!("({l} {w} {r})")),
            inner.clone().prop_map(|inner| format!("not {inner}")),
            inner.clone().prop_map(|inner| format!("({inner}) is not None")),
            inner.prop_map(|inner| format!("( {inner} )")),
            list.clone().prop_map(|items| format!("[{}]", items.join(" , "))),
            list.prop_map(|items| format!("({},)", items.join(",")).replace("(,)", "()")),
        ]
    })
}

/// Words of conditions, and what is not one.
const WORDS: &[&str] =
    &["(", ")", "[", "]", ",", "not", "in", "is", "None", "a", "'", "\"", "=", "<", "-", "1", ".", "ü", "e9", " "];

const KEYWORDS: [&str; 9] = ["and", "or", "in", "is", "not", "if", "else", "lambda", "for"];

proptest! {
    #![proptest_config(cases(1500))]

    #[test]
    fn a_condition_reads_back_as_it_prints(text in expression()) {
        let parsed = Condition::parse(&text);
        prop_assert!(parsed.is_ok(), "{text}: {parsed:?}");
        let printed = parsed.as_ref().map(ToString::to_string).unwrap_or_default();
        prop_assert_eq!(Condition::parse(&printed), parsed, "{}", printed);
    }

    #[test]
    fn a_condition_answers_as_its_print_does(text in expression(), value in "on|no|[0-9]{1,3}|[a-c]|") {
        let condition = Condition::parse(&text).unwrap();
        let again = Condition::parse(&condition.to_string()).map_err(|fault| TestCaseError::fail(fault.message))?;
        let lookup = |_: &str| Some(value.as_str());
        prop_assert_eq!(condition.holds(&lookup), again.holds(&lookup));
    }

    #[test]
    fn no_text_makes_the_reader_of_conditions_panic(
        text in "\\PC*",
        pieces in prop::collection::vec(prop::sample::select(WORDS), 0..20),
    ) {
        entries::condition(text.as_bytes());
        entries::condition(pieces.concat().as_bytes());
        entries::condition(pieces.join(" ").as_bytes());
    }
}
