//! The nearest scope wins.

use proptest::prelude::prop;
use proptest::test_runner::TestCaseError;
use proptest::{prop_assert, proptest};

use crate::{HEAD, cases, run, toml_text};

proptest! {
    #![proptest_config(cases(250))]

    #[test]
    fn the_nearest_scope_wins(values in prop::array::uniform4(prop::option::of("[a-z]{0,3}"))) {
        let [site, os, appliance, host] = &values;
        let layer = |title: &str, value: &Option<String>| match value {
            Some(value) => format!("[{title}]\nx = {}\n", toml_text(value)),
            None => String::new(),
        };
        let inventory = [
            HEAD.to_owned(),
            layer("attributes", site),
            layer("os.linux.attributes", os),
            layer("appliances.a.attributes", appliance),
            if appliance.is_none() { "[appliances.a]\n".to_owned() } else { String::new() },
            layer("hosts.c0.attributes", host),
        ].concat();
        let module = "<post cond=\"x is not None\">value '&x;'</post><post cond=\"x is None\">none</post>";
        let run = run(&inventory, module);
        let kickstart = run.kickstarts.get("c0").ok_or_else(|| TestCaseError::fail(run.told.concat()))?;
        let nearest = [host, appliance, os, site].into_iter().flatten().next();
        let expected = nearest.map_or("none".to_owned(), |value| format!("value '{value}'"));
        prop_assert!(kickstart.lines().any(|line| line == expected), "{expected}\n{kickstart}");
    }
}
