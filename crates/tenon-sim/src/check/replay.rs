//! State hash: what the live server holds equals what a replay of the durable records on an empty node holds (I26, I29).

use std::sync::Arc;

use prometheus::Registry;
use tenon_ports::memory::{MemoryKv, MemoryLog};
use tenon_ports::{Durability, Log};
use tenon_store::{Store, StoreOptions, View};
use tokio::sync::watch;

use super::Watch;
use crate::exec::{Ended, Executor, Polled};
use crate::node::{Tips, now};
use crate::plan::Plan;
use crate::rng::Rng;

/// Replays the conversation partitions and compares their hashes with those of `view`.
pub fn compare(watch: &mut Watch, view: &View, plan: &Plan) {
    match replayed(watch, plan) {
        Ok(store) => {
            let layout = plan.sizes.layout;
            let again = store.view();
            for partition in layout.conversation_partitions() {
                let hashes = [view, &again].map(|v| v.partition_hash(layout, partition));
                match hashes {
                    [Ok(live), Ok(replayed)] if live == replayed => {}
                    [Ok(_), Ok(_)] => {
                        let text = format!("partition {}: replay gives another state", partition.0);
                        watch.violated("I26", text);
                    }
                    [live, replayed] => {
                        let text = format!("partition {}: {live:?} {replayed:?}", partition.0);
                        watch.violated("I30", text);
                    }
                }
            }
        }
        Err(text) => watch.violated("I26", format!("replay: {text}")),
    }
}

fn replayed(watch: &Watch, plan: &Plan) -> Result<Store, String> {
    let layout = plan.sizes.layout;
    let log = Arc::new(MemoryLog::new());
    for partition in layout.conversation_partitions() {
        let records: &[_] = watch.records.get(&partition).map_or(&[], Vec::as_slice);
        for record in records {
            let append = vec![record.append.clone()];
            now(log.append(append, Durability::Durable))
                .ok_or("the memory log waits")?
                .map_err(|e| e.to_string())?;
        }
    }
    let options = StoreOptions { layout: Some(layout), ..StoreOptions::default() };
    let door: Arc<dyn Log> = Arc::clone(&log) as _;
    let store = Store::open(Arc::new(MemoryKv::new()), Arc::clone(&door), options)
        .map_err(|e| e.to_string())?;
    let (processor, _handle) = tenon_processor::Service::new(
        // Another producer: nobody waits for these records.
        tenon_processor::Options::new(layout, u64::MAX),
        tenon_processor::Metrics::new(&Registry::new()).map_err(|e| e.to_string())?,
    );
    let (_stop, stopped) = watch::channel(false);
    let doors = tenon_processor::handle::Doors {
        log: door,
        store: store.clone(),
        multicast: Arc::new(Tips::default()),
        stop: stopped,
    };
    let flushing = store.clone();
    let mut exec = Executor::default();
    let mut rng = Rng::new(0, "replay");
    let loops = now(processor.recover(doors, &Default::default()))
        .ok_or("the replay waits")?
        .map_err(|e| e.to_string())?;
    for running in loops {
        exec.spawn(
            "processor",
            Box::pin(async move {
                match running.await {
                    Ok(()) => Ended::Done,
                    Err(error) => Ended::Failed(error.to_string()),
                }
            }),
        );
    }
    let mut polled = exec.spawn(
        "flush",
        Box::pin(async move {
            match flushing.flush_once().await {
                Ok(_) => Ended::Done,
                Err(error) => Ended::Failed(error.to_string()),
            }
        }),
    );
    loop {
        match polled {
            Polled::Ended("flush", Ended::Done) => return Ok(store),
            Polled::Ended(name, Ended::Failed(text)) | Polled::Panicked(name, text) => {
                return Err(format!("{name}: {text}"));
            }
            Polled::Idle => return Err("the flush does not end".to_owned()),
            Polled::Waits(_) | Polled::Ended(..) => {}
        }
        polled = exec.poll_one(&mut rng);
    }
}
