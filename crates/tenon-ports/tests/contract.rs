//! The doors in memory keep the laws.

use std::sync::Arc;

use tenon_ports::contract::{BlobHarness, BusHarness, DirectoryHarness, KvHarness, LogHarness};
use tenon_ports::memory::{MemoryBlob, MemoryBus, MemoryDirectory, MemoryKv, MemoryLog};
use tenon_ports::{Blob, Bus, Directory, Kv, Log};

#[derive(Default)]
struct LogInMemory(Arc<MemoryLog>);

impl LogHarness for LogInMemory {
    fn open(&mut self) -> Arc<dyn Log> {
        Arc::clone(&self.0) as Arc<dyn Log>
    }
    fn close(&mut self, _log: Arc<dyn Log>) {
        self.0.close();
        self.0.reopen();
    }
    fn crash(&mut self, _log: Arc<dyn Log>) {
        self.0.crash();
    }
    fn stall(&mut self, is_stalled: bool) {
        self.0.hold(is_stalled);
    }
    fn fail(&mut self) {
        self.0.poison();
    }
    fn fill(&mut self, is_full: bool) {
        self.0.fill(is_full);
    }
}

#[derive(Default)]
struct KvInMemory(Arc<MemoryKv>);

impl KvHarness for KvInMemory {
    fn open(&mut self) -> Arc<dyn Kv> {
        Arc::clone(&self.0) as Arc<dyn Kv>
    }
    fn close(&mut self, _kv: Arc<dyn Kv>) {}
}

#[derive(Default)]
struct BlobInMemory(Arc<MemoryBlob>);

impl BlobHarness for BlobInMemory {
    fn open(&mut self) -> Arc<dyn Blob> {
        Arc::clone(&self.0) as Arc<dyn Blob>
    }
    fn close(&mut self, _blob: Arc<dyn Blob>) {}
}

#[derive(Default)]
struct DirectoryInMemory(Arc<MemoryDirectory>);

impl DirectoryHarness for DirectoryInMemory {
    fn open(&mut self) -> Arc<dyn Directory> {
        Arc::clone(&self.0) as Arc<dyn Directory>
    }
    fn expire(&mut self, life_ms: u64) {
        self.0.expire(life_ms);
    }
}

#[derive(Default)]
struct BusInMemory(Arc<MemoryBus>);

impl BusHarness for BusInMemory {
    fn open(&mut self) -> Arc<dyn Bus> {
        Arc::clone(&self.0) as Arc<dyn Bus>
    }
}

tenon_ports::directory_contract!(directory_in_memory, DirectoryInMemory::default());
tenon_ports::bus_contract!(bus_in_memory, BusInMemory::default());
tenon_ports::log_contract!(log_in_memory, LogInMemory::default());
tenon_ports::kv_contract!(kv_in_memory, KvInMemory::default());
tenon_ports::blob_contract!(blob_in_memory, BlobInMemory::default());
