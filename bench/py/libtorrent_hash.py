"""Hashing by libtorrent, timed around the work alone: `create FILE PIECE_LEN` or `verify TORRENT DIR THREADS`.

Prints wall seconds and CPU seconds of the process.
"""
import os
import sys
import time

import libtorrent as lt


def create(path, piece_len):
    entry = lt.create_file_entry(os.path.basename(path), os.path.getsize(path))
    torrent = lt.create_torrent([entry], piece_len, lt.create_torrent.v1_only)
    lt.set_piece_hashes(torrent, os.path.dirname(path))
    torrent.generate()


def verify(torrent, directory, threads):
    session = lt.session({
        "listen_interfaces": "127.0.0.1:0",
        "hashing_threads": threads,
        "aio_threads": max(threads, 4),
        "checking_mem_usage": 2048,
        "enable_dht": False, "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False,
    })
    params = lt.add_torrent_params()
    params.ti = lt.torrent_info(torrent)
    params.save_path = directory
    params.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
    handle = session.add_torrent(params)
    while handle.status().state in (lt.torrent_status.checking_files, lt.torrent_status.checking_resume_data):
        time.sleep(0.002)
    if not handle.status().is_seeding:
        sys.exit("libtorrent found the data incomplete")


def main():
    work = {"create": lambda a: create(a[0], int(a[1])), "verify": lambda a: verify(a[0], a[1], int(a[2]))}
    wall, cpu = time.perf_counter(), time.process_time()
    work[sys.argv[1]](sys.argv[2:])
    print(f"{time.perf_counter() - wall:.4f} {time.process_time() - cpu:.4f}", flush=True)
    os._exit(0)


main()
