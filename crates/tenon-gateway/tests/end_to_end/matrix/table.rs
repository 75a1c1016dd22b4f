//! The expected answers, and what must have one.

use std::collections::BTreeSet;

use super::people::{INSIDE, ROUTE};

const EXPECT: &str = include_str!("../../../../../security/expect.toml");
const NUMBERS: &str = include_str!("../../../../tenon-wire/src/number.rs");

/// `security/expect.toml`.
pub(crate) struct Table(toml::Table);

/// Names and numbers of the constants in a module of the wire's registries.
pub(crate) fn constants(module: &str) -> Vec<(String, u32)> {
    let head = format!("pub mod {module} {{");
    let (_, rest) = NUMBERS.split_once(&head).expect("the registry");
    let (body, _) = rest.split_once("\n}").expect("its end");
    let line = |line: &str| {
        let (name, rest) = line.trim().strip_prefix("pub const ")?.split_once(':')?;
        let number = rest.split_once('=')?.1.trim().trim_end_matches(';').parse().ok()?;
        Some((name.to_owned(), number))
    };
    let found: Vec<_> = body.lines().filter_map(line).collect();
    assert!(found.len() > 5, "{module} is read");
    found
}

/// `METHOD path` of every route of the gateway.
fn routes() -> BTreeSet<String> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http");
    super::source::routes_below(&folder).into_iter().map(|(route, _)| route).collect()
}

impl Table {
    pub(crate) fn read() -> Self {
        Self(EXPECT.parse().expect("security/expect.toml is TOML"))
    }

    /// The expected word; `row` is `group.name`. A row is the name of its rule, or a table with a `rule` and the callers for
    /// whom it differs; the rows of `outside` are their own rules.
    pub(crate) fn word(&self, row: &str, caller: &str) -> String {
        let (group, name) = row.split_once('.').expect("group.name");
        let row_of = self.0.get(group).and_then(|g| g.get(name));
        let row_of = row_of.unwrap_or_else(|| panic!("{row} has no row"));
        let rule = row_of.as_str().or_else(|| row_of.get("rule").and_then(toml::Value::as_str));
        let word = row_of.get(caller).or_else(|| self.0["rule"].get(rule?)?.get(caller));
        let word = word.and_then(toml::Value::as_str);
        word.unwrap_or_else(|| panic!("{row} ({rule:?}) has no word for {caller}")).to_owned()
    }

    fn names(&self, group: &str) -> Vec<String> {
        let rows = self.0[group].as_table().expect("a table of rows");
        rows.keys().cloned().collect()
    }

    /// `group.name` of every row about a link.
    pub(crate) fn link_rows(&self) -> impl Iterator<Item = String> {
        let all = ["frame", "request", "op"].map(|group| (group, self.names(group)));
        all.into_iter()
            .flat_map(|(group, names)| names.into_iter().map(move |name| format!("{group}.{name}")))
    }

    pub(crate) fn routes(&self) -> Vec<String> {
        self.names("http")
    }

    /// Rows and what exists are the same; `NAME/variant` is a further row of `NAME`.
    pub(crate) fn check_complete(&self) {
        for (group, module) in [("frame", "kind"), ("request", "method"), ("op", "op_type")] {
            let exist: BTreeSet<String> =
                constants(module).into_iter().map(|(name, _)| name).collect();
            let rows: BTreeSet<String> = self
                .names(group)
                .iter()
                .map(|name| name.split('/').next().expect("a name").to_owned())
                .collect();
            assert_eq!(rows, exist, "rows of {group} and constants of {module}");
        }
        let bare = |name: &String| name.split('#').next().expect("a route").to_owned();
        let rows: BTreeSet<String> = self.names("http").iter().map(bare).collect();
        assert_eq!(rows, routes(), "rows of http and routes");
        self.check_rules();
    }

    /// Every rule that is named exists, and every rule is named by a row.
    fn check_rules(&self) {
        let rules = self.0["rule"].as_table().expect("rules");
        let groups = ["frame", "request", "op", "http", "page", "admin", "line"];
        let named: BTreeSet<&str> = groups
            .iter()
            .flat_map(|group| self.0[*group].as_table().expect("rows").values())
            .map(|row| row.as_str().or_else(|| row["rule"].as_str()).expect("a rule"))
            .collect();
        let exist: BTreeSet<&str> = rules.keys().map(String::as_str).collect();
        assert_eq!(named, exist, "rules that rows name and rules");
        self.check_callers(&["frame", "request", "op"], &INSIDE);
        self.check_callers(&["http"], &ROUTE);
    }

    /// A word is for a caller who is tried: one for nobody else would say nothing.
    fn check_callers(&self, groups: &[&str], tried: &[&str]) {
        for row in groups.iter().flat_map(|group| self.0[*group].as_table().expect("rows").values())
        {
            let rule = row.as_str().or_else(|| row["rule"].as_str()).expect("a rule");
            let own = row.as_table().into_iter().flat_map(toml::Table::keys);
            let callers = self.0["rule"][rule].as_table().expect("words").keys().chain(own);
            for caller in callers.filter(|caller| *caller != "rule") {
                assert!(
                    tried.contains(&caller.as_str()),
                    "{rule} has a word for {caller}, who is not tried"
                );
            }
        }
    }
}

#[test]
fn a_missing_row_is_found() {
    let found = |change: &dyn Fn(&mut toml::Table)| {
        let mut table = Table::read();
        change(&mut table.0);
        let check = std::panic::AssertUnwindSafe(|| table.check_complete());
        std::panic::catch_unwind(check).is_err()
    };
    let rows = |table: &mut toml::Table, group: &str| table[group].as_table_mut().unwrap().clone();
    for (group, name) in [
        ("frame", "WATCH"),
        ("request", "GET_HISTORY"),
        ("op", "LEAVE"),
        ("http", "POST /v1/ticket"),
    ] {
        assert!(
            found(&|table| {
                let mut left = rows(table, group);
                left.remove(name).unwrap();
                table.insert(group.to_owned(), left.into());
            }),
            "{group}.{name} is missed"
        );
        assert!(
            found(&|table| {
                let mut more = rows(table, group);
                more.insert("GONE".to_owned(), "own".into());
                table.insert(group.to_owned(), more.into());
            }),
            "a row of {group} for nothing is found"
        );
    }
    assert!(!found(&|_| {}));
}
