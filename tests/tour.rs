//! The six labs in the console, as by somebody who has just come: pick a lab, deploy it, walk its course
//! from the first step to the last, send a request, look at the screens, and tear it down by typing its
//! name. What the screens show on the way is kept below `tests/snapshots`; `INSTA_UPDATE=always` writes
//! them anew.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use std::sync::LazyLock;
use std::time::Duration;

use regex::Regex;
use support::console::{Console, line, shows_line};
use support::{Checkout, Sandbox, repository};

/// The size of the pictures.
const SIZE: (u16, u16) = (120, 40);

/// What a lesson asks the reader to change in the lab's file before its step is run.
struct Edit {
    step: &'static str,
    from: &'static str,
    to: &'static str,
}

/// A lab and how it is walked.
struct Tour {
    lab: &'static str,
    /// Its first saved request and the status of the answer.
    request: (&'static str, u16),
    edits: &'static [Edit],
    /// Steps that take minutes: `tests/labs.rs` walks them.
    left_out: &'static [&'static str],
}

impl Tour {
    const fn new(lab: &'static str, request: (&'static str, u16)) -> Self {
        Self { lab, request, edits: &[], left_out: &[] }
    }
}

/// A step of a course.
#[derive(Debug, PartialEq)]
struct Step {
    name: String,
    title: String,
    destroys: bool,
    /// The function that it deletes, where it deletes one.
    deletes: Option<String>,
}

/// A lab's file.
fn manifest(lab: &str) -> toml::Table {
    let file = repository().join("handlers").join(lab).join("lab.toml");
    std::fs::read_to_string(file).unwrap().parse().unwrap()
}

/// The names in a section of a lab's file; those that only some variants have are left out.
fn names(manifest: &toml::Table, section: &str) -> Vec<String> {
    let Some(section) = manifest.get(section).and_then(toml::Value::as_table) else {
        return Vec::new();
    };
    let always = section.iter().filter(|(_, one)| one.get("variants").is_none());
    always.map(|(name, _)| name.clone()).collect()
}

/// Waits until the live state that is shown is that after the deploy: a reading from the middle of it
/// may come first.
#[track_caller]
fn shows_all(console: &mut Console, names: &[String]) {
    console.until(&format!("everything is there: {names:?}"), |screen| {
        let text = screen.contents();
        let missing =
            text.lines().any(|line| line.trim_end_matches(['│', ' ']).ends_with(" missing"));
        !missing && names.iter().all(|name| text.contains(name))
    });
}

/// Gives the resources panel the whole screen: the focus may be on any panel.
#[track_caller]
fn zoom_resources(console: &mut Console) {
    let panels = |screen: &vt100::Screen| screen.contents().matches("┌ ").count();
    for _ in 0..4 {
        console.keys("z").until("one panel has the screen", |screen| panels(screen) == 1);
        if console.text().contains("┌ resources") {
            return;
        }
        console.keys("z").until("the panels are back", |screen| panels(screen) > 1).keys("\t");
    }
    panic!("no panel is that of the resources");
}

/// The steps of a lab in the order of its file.
fn steps(lab: &str) -> Vec<Step> {
    let file = repository().join("handlers").join(lab).join("lab.toml");
    let text = std::fs::read_to_string(file).unwrap();
    let table: toml::Table = text.parse().unwrap();
    let names = text.lines().filter_map(|line| line.strip_prefix("[steps.")?.strip_suffix(']'));
    let step = |name: &str| {
        let step = &table["steps"][name];
        Step {
            name: name.to_owned(),
            title: step["title"].as_str().unwrap().to_owned(),
            destroys: step["action"]["kind"].as_str() == Some("destroy"),
            deletes: (step["action"]["kind"].as_str() == Some("delete-function"))
                .then(|| step["action"]["function"].as_str().unwrap().to_owned()),
        }
    };
    names.map(step).collect()
}

/// Goes to a screen, and waits until it is the one that is shown: its title is underlined.
#[track_caller]
fn screen(console: &mut Console, key: &str, title: &str) {
    console.keys(key).until(&format!("the screen is {title}"), |screen| {
        let (_, columns) = screen.size();
        let shown: String = (0..columns.get())
            .filter_map(|column| screen.cell(1, column))
            .filter(|cell| cell.underline())
            .map(vt100::Cell::contents)
            .collect();
        shown == title
    });
}

/// What is not the same in two runs, and what stands for it.
static VOLATILE: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    [
        (r"127\.0\.0\.1:\d+", "HOST"),
        (r"restapis/[a-z0-9]{10}/", "restapis/API/"),
        (r"(id +)[a-z0-9]{10}\b", "${1}ID"),
        (r"(deployment +)[a-z0-9]{6}\b", "${1}ID"),
        (r"(→ \w+ +)[a-z0-9]{6} ", "${1}ID "),
        (r"(▸ | {2})[a-z0-9]{6}( +(?:current|earlier|by hand|chaos) )", "${1}ID$2"),
        (r"(│[\w-]+  )[a-z0-9]{10}( |$|│)", "${1}ID$2"),
        (r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d( UTC)?", "TIME"),
        (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "UUID"),
        (r"(│alarm +\S+) (ok|no data yet)", "$1 STATE"),
        (r"\d+ calls", "N calls"),
        (r"\d+ changed", "N changed"),
        (r"\d+(\.\d+)? ms\b", "N ms"),
        (r"\d+(\.\d+)? s\b( ago)?", "N s"),
        (r"\b\d+ min( ago)?\b", "N s"),
    ]
    .map(|(pattern, with)| (Regex::new(pattern).unwrap(), with))
    .to_vec()
});

/// The panels of the screen without what differs from run to run: header, status and hints are left
/// out, runs of spaces and of frame are one.
fn picture(console: &Console) -> String {
    let text = console.text();
    let rows: Vec<&str> = text.lines().collect();
    let body = rows.get(2..usize::from(SIZE.1) - 2).unwrap_or_default();
    let squeezed = Regex::new(r" {2,}|─{2,}").unwrap();
    let mut picture = String::new();
    // Why an alarm is as it is depends on whether a minute has passed since it was made.
    let mut of_alarm = false;
    for row in body {
        let below = row.starts_with("│    ");
        of_alarm = row.starts_with("│alarm ") || of_alarm && below;
        if of_alarm && below {
            continue;
        }
        let mut row = (*row).to_owned();
        for (pattern, with) in VOLATILE.iter() {
            row = pattern.replace_all(&row, *with).into_owned();
        }
        let row =
            squeezed.replace_all(
                &row,
                |found: &regex::Captures<'_>| {
                    if found[0].starts_with(' ') { "  " } else { "──" }
                },
            );
        picture.push_str(row.trim_end());
        picture.push('\n');
    }
    picture
}

/// Keeps what the screen shows.
fn keep(console: &Console, name: &str) {
    insta::assert_snapshot!(name, picture(console));
}

/// Runs the step that is selected and waits until its check holds; answers what it asks.
#[track_caller]
fn run_step(console: &mut Console, lab: &str, step: &Step) {
    let done = format!("{}: done", step.title);
    let not_yet = format!("{}: not done yet", step.title);
    console.keys("r");
    if step.destroys {
        console.shows(&format!("destroy {lab}")).keys("wrong\r").shows("that is not");
        console.keys("\x7f\x7f\x7f\x7f\x7f").keys(lab).shows(&format!("› {lab}")).keys("\r");
    }
    if let Some(function) = &step.deletes {
        console
            .shows("delete a function")
            .keys(function)
            .shows(&format!("› {function}"))
            .keys("\r");
    }
    let asks = format!("deploy {lab} all the same?");
    let ended = |screen: &vt100::Screen| line(screen, &[&done]) || line(screen, &[&not_yet]);
    console.until(&format!("{lab} {}: it ends or asks", step.name), |screen| {
        ended(screen) || screen.contents().contains(&asks)
    });
    if console.text().contains(&asks) {
        console.keys("y").shows("› y").keys("\r");
        console.until(&format!("{lab} {}: it ends", step.name), ended);
    }
    assert!(
        console.look(|screen| line(screen, &[&done])),
        "{lab} {}: its check does not hold\n{}",
        step.name,
        console.text()
    );
}

/// Walks a lab from picking it to nothing left.
fn walk(console: &mut Console, tour: &Tour, checkout: Option<&Checkout>) {
    let lab = tour.lab;
    let repository = repository().join("handlers").to_string_lossy().into_owned();
    let folder = checkout.map_or(repository, Checkout::labs);
    // Pick it by its name's place in the list.
    screen(console, "2", "Deploy");
    let mut labs: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .flatten()
        .filter(|entry| entry.path().join("lab.toml").is_file())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    labs.sort();
    let at = labs.iter().position(|name| name == lab).unwrap();
    console.keys("l").shows("┌ labs").keys("gg");
    for _ in 0..at {
        console.keys("j");
    }
    console.keys("\r").shows(&format!("local ▸ {lab} ▸"));
    // The panel of the same name stands at the left edge.
    console.until("the list to pick from is closed", |screen| {
        let words = screen.contents();
        !words.lines().any(|line| line.find("┌ labs").is_some_and(|at| at > 0))
    });
    // Nothing of any lab is there: this one is the first, or the others were torn down.
    console.until("the live state of every lab is known", |screen| {
        let words = screen.contents();
        words.lines().filter(|line| line.contains("not deployed│")).count() == labs.len()
    });
    keep(console, &format!("{lab}-1-picked"));

    let steps = steps(lab);
    let (first, rest) = steps.split_first().unwrap();
    run_step(console, lab, first);
    console.until(&format!("{lab} is deployed"), |screen| {
        let words = screen.contents();
        let here = words.lines().find(|line| line.contains(&format!("│▸ {lab} ")));
        here.is_some_and(|line| line.contains(" deployed│") && !line.contains("not deployed"))
    });
    keep(console, &format!("{lab}-2-deployed"));

    let manifest = manifest(lab);
    let of = |sections: &[&str]| -> Vec<String> {
        sections.iter().flat_map(|section| names(&manifest, section)).collect()
    };
    screen(console, "4", "Gateway");
    // All of it is read: the stage that is selected serves one of the deployments.
    console.until("the deployments are there", |screen| screen.contents().contains("│▸ "));
    shows_all(console, &of(&["apis", "stages", "keys", "plans"]));
    keep(console, &format!("{lab}-3-gateway"));
    screen(console, "1", "Overview");
    zoom_resources(console);
    shows_all(console, &of(&["apis", "stages", "tables", "queues", "topics", "alarms"]));
    keep(console, &format!("{lab}-4-resources"));
    console.keys("z").shows("┌ aliases");
    screen(console, "5", "Requests");
    let (request, status) = tour.request;
    console.keys("s");
    shows_line(console, &[&format!("{request}: {status} in "), " ms"]);
    shows_line(console, &[&format!("response {status}")]);

    screen(console, "2", "Deploy");
    for step in rest {
        if tour.left_out.contains(&step.name.as_str()) {
            console.keys("j");
            continue;
        }
        for edit in tour.edits.iter().filter(|edit| edit.step == step.name) {
            let file = format!("handlers/{lab}/lab.toml");
            checkout.unwrap().edit(&file, edit.from, edit.to);
        }
        if step.destroys {
            // The list of steps alone: what the last one answered differs from run to run.
            console.keys("z").shows("┌ steps").shows_no("┌ labs");
            keep(console, &format!("{lab}-5-walked"));
            console.keys("z").shows("┌ labs");
        }
        run_step(console, lab, step);
    }
    shows_line(console, &[&format!("▸ {lab} "), "not deployed"]);
}

/// Walks labs one after the other in one console.
fn walk_all(tours: &[Tour], checkout: Option<&Checkout>) {
    let sandbox = Sandbox::new();
    let labs = checkout.map(Checkout::labs);
    let args: Vec<&str> = labs.iter().flat_map(|labs| ["--labs", labs.as_str()]).collect();
    let mut console = Console::open(&sandbox, SIZE.0, SIZE.1, &args);
    // Handlers of a new checkout are compiled, perhaps beside those of another.
    console.patient(Duration::from_mins(2));
    console.shows("● tail").shows("is not deployed");
    for tour in tours {
        walk(&mut console, tour, checkout);
    }
    console.keys("q");
    assert_eq!(console.ends(), 0);
}

#[test]
fn labs_whose_files_stay_as_they_are() {
    walk_all(
        &[
            Tour::new("hello", ("world", 200)),
            Tour::new("items-db", ("save", 200)),
            Tour::new("petstore", ("mock-list", 200)),
            Tour { left_out: &["alarm"], ..Tour::new("todos", ("create", 201)) },
        ],
        None,
    );
}

#[test]
fn labs_whose_lessons_ask_for_a_change() {
    const GREET: &[Edit] = &[Edit { step: "change", from: "\"Hello\"", to: "\"Welcome\"" }];
    const ITEMS: &[Edit] = &[
        Edit { step: "change", from: "memory_mb = 128", to: "memory_mb = 256" },
        Edit { step: "change-again", from: "memory_mb = 256", to: "memory_mb = 384" },
    ];
    let checkout = Checkout::new();
    walk_all(
        &[
            Tour { edits: GREET, ..Tour::new("greet", ("hello", 200)) },
            Tour { edits: ITEMS, ..Tour::new("items", ("list", 200)) },
        ],
        Some(&checkout),
    );
}
