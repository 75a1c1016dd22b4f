//! A real archive through the real binary.

use std::process::Stdio;
use std::time::Duration;

use crate::harness::{Place, binary, sample};

#[test]
fn the_sample_comes_in_whole_and_once_even_when_it_is_interrupted() {
    let Some(zip) = sample() else {
        println!("skipped: no ../shared/data beside the repository");
        return;
    };
    let zip = zip.to_str().unwrap();
    let place = Place::new();
    let dry = place.tenon(&["import", "slack", zip, "--dry-run", "--json"]).ok();
    let dry = &dry.rows()[0]["archive"];
    assert_eq!(dry["messages"], 117_800);
    assert_eq!((&dry["joins"], &dry["leaves"]), (&16_956.into(), &2_697.into()));
    assert!(!place.data.exists(), "a dry run writes nothing");

    let mut first = binary();
    first.args(["import", "slack", zip, "--data"]).arg(&place.data);
    let mut first = first.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(2_500));
    // A fast machine may be done by now; then this is the second run already.
    first.kill().unwrap();
    first.wait().unwrap();

    let server = place.serve();
    let again = place.tenon(&["import", "slack", zip, "--json"]).ok();
    let again = &again.rows()[0];
    let entries =
        again["entries_added"].as_u64().unwrap() + again["entries_known"].as_u64().unwrap();
    assert_eq!((entries, &again["entries_refused"]), (139_297, &0.into()));
    let third = place.tenon(&["import", "slack", zip, "--json"]).ok();
    assert_eq!(third.rows()[0]["entries_added"], 0);
    assert_eq!(third.rows()[0]["users_added"], 0);

    place.tenon(&["user", "add", "reader of archives"]).ok();
    place.tenon(&["group", "add", "ubuntu", "reader of archives"]).ok();
    let token = place.mint("reader of archives", "desk");
    let all = server.device("history", &token, &["--group", "ubuntu", "--all", "--json"]).ok();
    let rows = all.rows();
    assert_eq!(rows.len(), 117_800);
    let mut last = 0;
    for (index, row) in rows.iter().enumerate() {
        assert_eq!(row["seq"].as_u64(), Some(index as u64 + 1), "dense");
        let time = row["time_ms"].as_u64().unwrap();
        assert!(time > last, "times rise");
        last = time;
    }
    let members = place.tenon(&["group", "members", "ubuntu"]).ok();
    assert!(
        members.out.lines().last().unwrap().starts_with("15481 members"),
        "15,480 and the reader"
    );
    assert_eq!(server.stop(), 0);
    let verified = place.tenon(&["verify", "--json"]).ok();
    let replay = verified.rows()[0]["replay"].as_str().unwrap().to_owned();
    assert!(replay.ends_with("conversation partitions equal"), "{replay}");
}
