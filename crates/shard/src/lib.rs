//! The data path of one core: connections, buffers, hash lanes, block table, disk queue.
