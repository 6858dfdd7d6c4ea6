"""libtorrent under measurement.

    lt.py version
    lt.py download|seed TORRENT DIR IP:PORT
    lt.py create FILE PIECE_LEN v1|v2
    lt.py verify TORRENT DIR THREADS
    lt.py idle TORRENTS DIR
    lt.py huge TORRENT DIR

`create` and `verify` print wall seconds and CPU seconds of the work alone, `idle` prints `added SECONDS` and
stays, `huge` prints `parsed SECONDS` before.
"""
import os
import random
import sys
import time
import warnings

import libtorrent as lt

# The calls below exist in every 2.x; the newest version would rather see others.
warnings.simplefilter("ignore", DeprecationWarning)

QUIET = {"enable_dht": False, "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False}


def session(listen="127.0.0.1:0", **more):
    return lt.session({"listen_interfaces": listen, **QUIET, **more})


def params(info, directory):
    add = lt.add_torrent_params()
    add.ti = info
    add.save_path = directory
    add.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
    return add


def transfer(torrent, directory, listen, seed):
    ses = session(
        listen,
        enable_incoming_utp=False, enable_outgoing_utp=False, connections_limit=2000, unchoke_slots_limit=-1,
        allow_multiple_connections_per_ip=True, in_enc_policy=int(lt.enc_policy.pe_enabled),
        out_enc_policy=int(lt.enc_policy.pe_disabled), alert_mask=int(lt.alert.category_t.status_notification | lt.alert.category_t.storage_notification),
    )
    add = params(lt.torrent_info(torrent), directory)
    handle = ses.add_torrent(add)
    while seed or not handle.status().is_seeding:
        ses.wait_for_alert(200)
        ses.pop_alerts()
    # What it has is not all in the file yet.
    handle.flush_cache()
    while not any(isinstance(alert, lt.cache_flushed_alert) for alert in ses.pop_alerts()):
        ses.wait_for_alert(200)
    os._exit(0)


def timed(work):
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    print(f"{time.perf_counter() - wall:.4f} {time.process_time() - cpu:.4f}", flush=True)
    os._exit(0)


def create(path, piece_len, kind):
    entry = lt.create_file_entry(os.path.basename(path), os.path.getsize(path))
    torrent = lt.create_torrent([entry], piece_len, lt.create_torrent.v1_only if kind == "v1" else lt.create_torrent.v2_only)
    lt.set_piece_hashes(torrent, os.path.dirname(path))
    torrent.generate()


def verify(torrent, directory, threads):
    ses = session(hashing_threads=threads, aio_threads=max(threads, 4), checking_mem_usage=2048)
    handle = ses.add_torrent(params(lt.torrent_info(torrent), directory))
    while handle.status().state in (lt.torrent_status.checking_files, lt.torrent_status.checking_resume_data):
        time.sleep(0.002)
    if not handle.status().is_seeding:
        sys.exit("libtorrent found the data incomplete")


def idle(count, directory):
    rng = random.Random(1)
    ses = session(active_limit=count + 1, connections_limit=2000)
    infos = []
    for number in range(count):
        infos.append(lt.torrent_info(lt.bencode({b"info": {
            b"name": b"idle-%d" % number, b"length": 64 * 16384, b"piece length": 16384,
            b"pieces": rng.randbytes(64 * 20)}})))
    start = time.perf_counter()
    handles = [ses.add_torrent(params(info, directory)) for info in infos]
    del infos
    busy = (lt.torrent_status.checking_files, lt.torrent_status.checking_resume_data)
    while any(status.state in busy for status in ses.get_torrent_status(lambda _: True)):
        time.sleep(0.02)
    print(f"added {time.perf_counter() - start:.4f}", flush=True)
    while handles:
        time.sleep(1000)


def huge(torrent, directory):
    ses = session()
    start = time.perf_counter()
    # Its limits are for smaller ones.
    info = lt.torrent_info(torrent, {"max_buffer_size": 64 << 20, "max_pieces": 1 << 22})
    print(f"parsed {time.perf_counter() - start:.4f}", flush=True)
    start = time.perf_counter()
    handle = ses.add_torrent(params(info, directory))
    del info
    busy = (lt.torrent_status.checking_files, lt.torrent_status.checking_resume_data)
    while handle.status(0).state in busy:
        time.sleep(0.005)
    print(f"added {time.perf_counter() - start:.4f}", flush=True)
    while handle:
        time.sleep(1000)


def main():
    verb, args = sys.argv[1], sys.argv[2:]
    if verb == "version":
        print(lt.version)
    elif verb in ("download", "seed"):
        transfer(*args, verb == "seed")
    elif verb == "create":
        timed(lambda: create(args[0], int(args[1]), args[2]))
    elif verb == "verify":
        timed(lambda: verify(args[0], args[1], int(args[2])))
    elif verb == "idle":
        idle(int(args[0]), args[1])
    elif verb == "huge":
        huge(*args)


main()
