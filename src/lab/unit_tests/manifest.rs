//! What is said about a broken `lab.toml`.

use super::{assert_problem, changed};

#[test]
fn one_syntax_error_is_one_problem() {
    for (from, to, said) in [
        ("title = \"Small\"", "title = \"Small", &["basic string"][..]),
        ("hash_key = \"id\"", "hash_key =", &["must be quoted"][..]),
        ("alias = \"dev\"", "alias = \"dev\"\nalias = \"dve\"", &["duplicate key"][..]),
        ("alias = \"dev\"", "alias \"dev\"", &["key with no value"][..]),
        ("[functions.small]", "[functions.small", &["unclosed table"][..]),
        ("role = \"small-role\"", "role = small-role", &["must be quoted"][..]),
        (
            "variables = { id = \"1\" }\n",
            "variables = { id = \"1\"\n",
            &["a `}` where the table in braces ends"][..],
        ),
    ] {
        let (text, problems) = changed("lab.toml", from, to);
        assert_eq!(problems.len(), 1, "{problems:#?}");
        let at = to.trim_end().lines().last().unwrap();
        let line = 1 + text.lines().position(|line| line == at).unwrap();
        // An open brace is noticed by what follows it.
        assert!((line..=line + 2).contains(&problems[0].line), "{problems:#?}");
        let shown = problems[0].to_string();
        assert!(said.iter().all(|part| shown.contains(part)), "{shown}");
    }
}

#[test]
fn other_problems_are_found_beside_a_syntax_error() {
    let text =
        "title = \"Small\nmemory_mb = 3\n[chaos.slow]\ndelay_ms = 0\nkind = \"slow-table\"\n";
    let problems = super::Lab::new(text, "").read().unwrap_err();
    let lines: Vec<usize> = problems.0.iter().map(|problem| problem.line).collect();
    assert_eq!(lines, [1, 2, 4], "{problems}");
}

#[test]
fn wrong_types() {
    for (from, to, said) in [
        (
            "memory_mb = 256",
            "memory_mb = \"256\"",
            &[
                "`memory_mb` in [functions.small] is text",
                "expected a whole number from 128 to 10240 MB",
            ][..],
        ),
        (
            "description = \"Answers\"",
            "description = 1",
            &["is a whole number", "text in quotes"][..],
        ),
        (
            "environment = { TABLE = \"${table.things.name}\" }",
            "environment = [1]",
            &["is a list", "expected a table"][..],
        ),
        (
            "environment = { TABLE = \"${table.things.name}\" }",
            "environment = { TABLE = 1 }",
            &["`TABLE` in [functions.small.environment] is a whole number"][..],
        ),
        (
            "[\"dynamodb:GetItem\"]",
            "\"dynamodb:GetItem\"",
            &["`actions` in [roles.small-role.statements] is text", "a list of actions"][..],
        ),
        ("title = \"It answers\"", "title = true", &["is `true` or `false`"][..]),
    ] {
        assert_problem("lab.toml", from, to, to, said);
    }
}

#[test]
fn unknown_keys() {
    for (from, to, said) in [
        (
            "memory_mb = 256",
            "memry_mb = 256",
            &["unknown key `memry_mb` in [functions.small]", "did you mean `memory_mb`?"][..],
        ),
        (
            "description = \"A small lab.\"",
            "description = \"A small lab.\"\nretention = 7",
            &["unknown key `retention` in `lab.toml`"][..],
        ),
        (
            "delay_ms = 100",
            "delay_ms = 100\nminutes = 3",
            &[
                "unknown key `minutes` in [chaos.slow]",
                "expected `description`, `kind`, `table` or `delay_ms`",
            ][..],
        ),
        (
            "count = 3",
            "cuont = 3",
            &["unknown key `cuont` in [steps.ask.action]", "did you mean `count`?"][..],
        ),
    ] {
        assert_problem("lab.toml", from, to, to.lines().last().unwrap(), said);
    }
}

#[test]
fn missing_keys() {
    for (from, at, said) in [
        ("hash_key = \"id\"\n", "[tables.things]", &["[tables.things] has no `hash_key`"][..]),
        (
            "role = \"small-role\"\n",
            "[functions.small]",
            &["has no `role`", "the name of a role of this lab"][..],
        ),
        ("delay_ms = 100\n", "[chaos.slow]", &["has no `delay_ms`", "1 to 60000 milliseconds"][..]),
        ("status = 200\n", "[checks.answers]", &["has no `status`", "100 to 599"][..]),
        ("title = \"Small\"\n", "description", &["`lab.toml` has no `title`"][..]),
        (
            "action = { kind = \"request\", request = \"ask\", stage = \"dev\", count = 3 }\n",
            "[steps.ask]",
            &["[steps.ask] has no `action`"][..],
        ),
    ] {
        assert_problem("lab.toml", from, "", at, said);
    }
}

#[test]
fn unknown_words() {
    for (from, to, said) in [
        (
            "follows = \"latest\"",
            "follows = \"lastest\"",
            &["unknown `follows` `lastest`", "`latest` or `release`", "did you mean `latest`?"][..],
        ),
        ("kind = \"slow-table\"", "kind = \"slow-tabel\"", &["did you mean `slow-table`?"][..]),
        (
            "kind = \"request\"\n",
            "kind = \"requests\"\n",
            &["unknown `kind` `requests` in [checks.answers]", "did you mean `request`?"][..],
        ),
        ("method = \"GET\"", "method = \"get\"", &["did you mean `GET`?"][..]),
        ("hash_key_type = \"S\"", "hash_key_type = \"X\"", &["`S`, `N` or `B`"][..]),
        ("kind = \"request\", ", "kind = \"reqest\", ", &["did you mean `request`?"][..]),
    ] {
        let (text, problems) = changed("lab.toml", from, to);
        let line = 1 + text.lines().position(|line| line.contains(to.trim())).unwrap();
        let found = problems.iter().any(|problem| {
            problem.line == line && said.iter().all(|part| problem.to_string().contains(part))
        });
        assert!(found, "{problems:#?}");
    }
}

#[test]
fn dangling_references() {
    for (from, to, said) in [
        (
            "role = \"small-role\"",
            "role = \"smal-role\"",
            &["`smal-role` is not a role of this lab", "did you mean `small-role`?"][..],
        ),
        (
            "api = \"small\"",
            "api = \"smal\"",
            &["is not an API of this lab", "did you mean `small`?"][..],
        ),
        (
            "request = \"ask\"\n",
            "request = \"aks\"\n",
            &["`aks` is not a saved request", "expected `ask`"][..],
        ),
        (
            "check = \"answers\"",
            "check = \"answer\"",
            &["is not a check of this lab", "did you mean `answers`?"][..],
        ),
        (
            "table = \"things\"",
            "table = \"thing\"",
            &["is not a table of this lab", "did you mean `things`?"][..],
        ),
        (
            "stage = \"dev\"\n",
            "stage = \"prod\"\n",
            &["`prod` is not a stage of this lab", "expected `dev`"][..],
        ),
        (
            "\"${table.things}\"",
            "\"${table.thing}\"",
            &["`thing` is not a table", "did you mean `things`?"][..],
        ),
        (
            "\"${table.things.name}\"",
            "\"${tabel.things.name}\"",
            &["unknown reference `${tabel.things.name}`", "did you mean `table`?"][..],
        ),
        ("\"${table.things.name}\"", "\"${table.things.name\"", &["has no closing `}`"][..]),
        (
            "kind = \"slow-table\"\ntable = \"things\"\ndelay_ms = 100",
            "kind = \"missing-table\"\nfunction = \"small\"\nvariable = \"TABEL\"",
            &["is not an environment variable of `small`", "did you mean `TABLE`?"][..],
        ),
        (
            "kind = \"request\"\nrequest = \"ask\"\nstage = \"dev\"\nstatus = 200",
            "kind = \"alias-split\"\nfunction = \"small\"\nalias = \"prod\"",
            &["`prod` is not an alias", "expected `dev`"][..],
        ),
        (
            "kind = \"request\"\nrequest = \"ask\"\nstage = \"dev\"\nstatus = 200",
            "kind = \"chaos-on\"\nchaos = \"slwo\"",
            &["is not a chaos switch", "did you mean `slow`?"][..],
        ),
    ] {
        let at = to.trim_end().lines().last().unwrap();
        assert_problem("lab.toml", from, to, at, said);
    }
}

#[test]
fn numbers_out_of_range() {
    for (from, to, said) in [
        ("memory_mb = 256", "memory_mb = 127", &["out of range: 127", "128 to 10240"][..]),
        ("memory_mb = 256", "memory_mb = 99999999999999999999", &["out of range"][..]),
        ("memory_mb = 256", "timeout_s = 901", &["1 to 900 seconds"][..]),
        ("delay_ms = 100", "delay_ms = 0", &["1 to 60000"][..]),
        ("status = 200", "status = 99", &["100 to 599"][..]),
        ("count = 3", "concurrency = 257", &["1 to 256"][..]),
        (
            "description = \"A small lab.\"",
            "description = \"A small lab.\"\nlog_retention_days = 2",
            &["does not keep logs for 2 days", "1, 3, 5, 7"][..],
        ),
    ] {
        assert_problem("lab.toml", from, to, to.lines().last().unwrap(), said);
    }
}

#[test]
fn names_and_values() {
    for (from, to, said) in [
        ("bin = \"small\"", "bin = \"small/bin\"", &["Cargo name `small/bin` is not allowed"][..]),
        (
            "alias = \"dev\"",
            "alias = \"42\"",
            &["alias name `42` is not allowed", "not digits alone"][..],
        ),
        ("\"dynamodb:GetItem\"", "\"GetItem\"", &["action `GetItem`", "`dynamodb:UpdateItem`"][..]),
        ("[\"${table.things}\"]", "[\"things\"]", &["resource `things` is not an ARN"][..]),
        ("[\"${table.things}\"]", "[\"${table.things.name}\"]", &["is not an ARN"][..]),
        ("{ TABLE =", "{ AWS_REGION =", &["environment variable's name `AWS_REGION`"][..]),
        ("{ TABLE =", "{ T =", &["environment variable's name `T`"][..]),
        (
            "follows = \"latest\"",
            "follows = \"latest\"\nvariables = { color = \"with space\" }",
            &["stage variable's value `with space`"][..],
        ),
        (
            "follows = \"latest\"",
            "follows = \"latest\"\nvariables = { lambdaAlias = \"dev\" }",
            &["`lambdaAlias` is not allowed"][..],
        ),
        (
            "path = \"/things/{{id}}\"",
            "path = \"things/{{id}}\"",
            &["path `things/{{id}}` is not allowed", "begins with `/`"][..],
        ),
        (
            "path = \"/things/{{id}}\"",
            "path = \"/things?id={{id}}\"",
            &["query parameters go into `query`"][..],
        ),
        (
            "path = \"/things/{{id}}\"",
            "path = \"/things/{{id}}\"\nheaders = { \"a b\" = \"1\" }",
            &["header name `a b`"][..],
        ),
        (
            "path = \"/things/{{id}}\"",
            "path = \"/things/{{id}}\"\nheaders = { a = \"1\\n2\" }",
            &["header value `1\\n2`", "control character"][..],
        ),
        (
            "path = \"/things/{{id}}\"",
            "path = \"/things/{{di}}\"",
            &["variable `di` has no default", "did you mean `id`?"][..],
        ),
        (
            "document = \"small.yaml\"",
            "document = \"../small.yaml\"",
            &["outside of the lab's folder"][..],
        ),
        ("status = 200", "status = 200\njson = { count = 1 }", &["`count` is not a JSON path"][..]),
    ] {
        assert_problem("lab.toml", from, to, to.lines().last().unwrap(), said);
    }
}

#[test]
fn names_of_resources_follow_aws() {
    let long = "x".repeat(65);
    for (from, to) in [
        ("[tables.things]", "[tables.ab]".to_owned()),
        ("[tables.things]", "[tables.\"a b c\"]".to_owned()),
        ("[roles.small-role]", format!("[roles.{long}]")),
        ("[functions.small]", format!("[functions.{long}]")),
        ("[stages.dev]", "[stages.\"d v\"]".to_owned()),
        ("[steps.ask]", "[steps.\"1\"]".to_owned()),
    ] {
        let (text, problems) = changed("lab.toml", from, &to);
        let line = 1 + text.lines().position(|line| *line == to).unwrap();
        let found = problems
            .iter()
            .any(|problem| problem.line == line && problem.message.contains("is not allowed"));
        assert!(found, "{to}: {problems:#?}");
    }
}

#[test]
fn nesting_is_bounded() {
    let deep = format!("description = {}{}", "[".repeat(100_000), "]".repeat(100_000));
    let (_, problems) = changed("lab.toml", "description = \"A small lab.\"", &deep);
    assert!(!problems.is_empty());
}
