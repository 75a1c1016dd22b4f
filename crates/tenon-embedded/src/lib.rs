//! The doors on one machine: log, ordered store and objects on a local disk.
