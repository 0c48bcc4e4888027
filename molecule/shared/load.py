"""A steady load: threads that ask for a page again and again, and what a client would have seen fail of it.

    python3 load.py ADDRESS...        until standard input ends; what came of it then stands on standard output, as JSON

Not wrk: it calls each closed connection an error, and tells only how many there were. A server may close a kept connection whenever no request is
on it, and a request that crosses with that is one which every client sends once more (RFC 9112 9.3.1). So half of the threads open a
connection for each request, where nothing may fail. The others keep theirs, and are allowed that second try on a new one, which is counted.
"""

import http.client
import itertools
import json
import sys
import threading
import time

THREADS = 8                           # for each address
PAUSE = 0.1                          # between two requests of a thread: a load, and not a trial of how much this machine can stand
TIMEOUT = 5
CLOSED = (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError)

BEGAN = time.monotonic()
STOP = threading.Event()
ANSWERED, AGAIN, FAILED = [], [], []  # appending is one step for all threads


def ask(line):
    """One request; a status that is not 200 is a failure, too."""
    line.request('GET', '/')
    answer = line.getresponse()
    answer.read()
    if answer.status != 200:
        raise http.client.HTTPException(f'status {answer.status}')


def client(address, keeps):
    """What one thread does until it is told to stop."""
    line = http.client.HTTPConnection(address, timeout=TIMEOUT)
    while not STOP.wait(PAUSE):
        kept = line.sock is not None
        try:
            try:
                ask(line)
            except CLOSED as error:
                line.close()
                if not kept:
                    raise
                AGAIN.append(repr(error))
                ask(line)
            ANSWERED.append(address)
        except (OSError, http.client.HTTPException) as error:
            FAILED.append(f'{address} after {time.monotonic() - BEGAN:.1f} s, {"kept" if kept else "new"} connection: {error!r}')
            line.close()
        if not keeps:
            line.close()


def main():
    """Start all of them, and say in the end what they have seen."""
    threads = [threading.Thread(target=client, args=(address, number % 2 == 1))
               for address, number in itertools.product(sys.argv[1:], range(THREADS))]
    for thread in threads:
        thread.start()
    sys.stdin.read()
    STOP.set()
    for thread in threads:
        thread.join()
    print(json.dumps({'answered': len(ANSWERED), 'again': len(AGAIN), 'failed': FAILED[:20] + ['and more'] * (len(FAILED) > 20)}))


if __name__ == '__main__':
    main()
