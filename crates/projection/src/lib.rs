//! Tables, key codecs and records of a projection of the log in RocksDB.
