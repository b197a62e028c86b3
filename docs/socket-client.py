#!/usr/bin/env python3
"""socket-client.py SOCKET CONTAINER FILE: checkpoints a container, which runs on, into a file. See socket.md."""
import array
import json
import os
import socket
import sys


def chunk(value):
    line = json.dumps(value).encode() + b"\n"
    return b"%x\r\n%s\r\n" % (len(line), line)


def command(path, arguments, descriptors):
    """Gives the answers one after the other, and takes a reply by send()."""
    with socket.socket(socket.AF_UNIX) as service:
        service.connect(path)
        head = b"POST /ckpt/v1/command HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\n"
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
        sent = service.sendmsg([head], rights)
        service.sendall(head[sent:] + chunk({"arguments": arguments}))
        answer = service.makefile("rb")
        status = int(answer.readline().split()[1])
        while answer.readline() not in (b"\r\n", b""):
            pass
        if status != 200:
            raise RuntimeError(answer.readline().decode())
        rest = b""
        while (size := int(answer.readline() or b"0", 16)) > 0:
            *lines, rest = (rest + answer.read(size + 2)[:-2]).split(b"\n")
            for line in lines:
                if reply := (yield json.loads(line)):
                    service.sendall(chunk(reply))


def main(path, container, file):
    opened = os.open(os.path.dirname(file) or ".", os.O_TMPFILE | os.O_RDWR, 0o600)
    answers = command(path, ["checkpoint", container, "--leave-running", "--export", file], [opened])
    reply = None
    while True:
        answer = answers.send(reply)
        reply = None
        if "whole" in answer:
            os.fsync(opened)
            # Python follows the link only if a folder is named as well, which does not matter here.
            os.link(f"/proc/self/fd/{opened}", file, src_dir_fd=opened, follow_symlinks=True)
            reply = "kept"
        elif "status" in answer:
            return answer["status"]
        else:
            sys.stdout.write(answer.get("stdout", ""))
            sys.stderr.write(answer.get("stderr", ""))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
