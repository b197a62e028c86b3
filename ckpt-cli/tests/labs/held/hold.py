"""Holds what its arguments name, each below a folder of its own, and says on SIGUSR1 whether all of it is still right."""
import ctypes, fcntl, mmap, os, select, shutil, signal, socket, struct, subprocess, sys, threading, time

MB = 1 << 20
libc = ctypes.CDLL(None, use_errno=True)
CHILD = [sys.executable, '-c', 'import time\nwhile True: time.sleep(1)']


def call(result):
    assert result >= 0, os.strerror(ctypes.get_errno())
    return result


def pattern(size):
    return bytes(i * 7 & 255 for i in range(4096)) * (size // 4096)


def filled(path, size):
    file = open(path, 'w+b')
    file.write(pattern(size))
    file.flush()
    return file


def deleted(path, size):
    file = filled(path, size)
    os.unlink(path)
    return lambda: os.pread(file.fileno(), size, 0) == pattern(size)


def other_name_left(folder):
    file = filled(folder + '/a', 4096)
    os.link(folder + '/a', folder + '/b')
    os.unlink(folder + '/a')
    return lambda: os.fstat(file.fileno()).st_ino == os.stat(folder + '/b').st_ino and os.listdir(folder) == ['b']


def deleted_and_mapped(folder):
    file = filled(folder + '/x', 3 * MB)
    mapped = mmap.mmap(file.fileno(), 3 * MB)
    file.close()
    os.unlink(folder + '/x')
    return lambda: mapped[:] == pattern(3 * MB)


def deleted_of_image(folder):
    file = open('/etc/of-image')
    os.unlink('/etc/of-image')
    return lambda: file.read() == 'of the image\n' and os.listdir('/etc').count('of-image') == 0


def deleted_program(folder):
    os.mkfifo(folder + '/fifo')
    shutil.copy('/bin/busybox', folder + '/program')
    script = 'while :; do read line <> %s/fifo; done' % folder
    child = subprocess.Popen(['sh', '-c', script], executable=folder + '/program')
    time.sleep(0.3)
    os.unlink(folder + '/program')
    return lambda: child.poll() is None


def deleted_sparse(folder):
    file = open(folder + '/x', 'w+b')
    file.truncate(3000 * MB)
    os.pwrite(file.fileno(), b'middle', 1500 * MB)
    os.unlink(folder + '/x')
    return lambda: os.pread(file.fileno(), 6, 1500 * MB) == b'middle' and os.fstat(file.fileno()).st_size == 3000 * MB


def deleted_cwd(folder):
    os.chdir(folder)
    os.rmdir(folder)
    return lambda: os.readlink('/proc/self/cwd').endswith('(deleted)')


def deleted_with_folder(folder):
    still = deleted(folder + '/x', 4096)
    os.rmdir(folder)
    return still


def rotated(folder):
    file = filled(folder + '/log', 4096)
    os.rename(folder + '/log', folder + '/log.1')
    open(folder + '/log', 'w').write('new')
    return lambda: os.fstat(file.fileno()).st_ino == os.stat(folder + '/log.1').st_ino


def nameless(folder):
    fd = os.open(folder, os.O_TMPFILE | os.O_RDWR, 0o600)
    os.write(fd, b'nameless')
    return lambda: os.pread(fd, 20, 0) == b'nameless'


def memory_file(folder):
    fd = os.memfd_create('memory')
    os.write(fd, b'memory')
    return lambda: os.pread(fd, 20, 0) == b'memory'


def pipe(folder):
    reader, writer = os.pipe()
    os.write(writer, b'q' * 1000)
    return lambda: os.read(reader, 1000) == b'q' * 1000 and os.write(writer, b'q' * 1000) == 1000


def unix_listening(folder):
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(folder + '/socket')
    listening.listen()

    def connects():
        socket.socket(socket.AF_UNIX).connect(folder + '/socket')
        return listening.accept() is not None
    return connects


def unix_connected(folder):
    one, other = socket.socketpair()
    one.send(b'queued')
    return lambda: other.recv(6) == b'queued' and one.send(b'queued') == 6


def descriptor_on_its_way(folder):
    one, other = socket.socketpair()
    with open(folder + '/x', 'w+') as file:
        socket.send_fds(one, [b'x'], [file.fileno()])
    return lambda: len(socket.recv_fds(other, 1, 1)[1]) == 1


def waiting(folder):
    reader, writer = os.pipe()
    epoll = select.epoll()
    epoll.register(reader)
    os.write(writer, b'x')
    event = os.eventfd(7)
    os.eventfd_write(event, 0)
    call(libc.signalfd(-1, ctypes.byref(ctypes.create_string_buffer(128)), 0))
    call(libc.timerfd_create(1, 0))
    return lambda: len(epoll.poll(1)) == 1


def terminal(folder):
    leader, follower = os.openpty()
    return lambda: os.write(leader, b'hi\n') == 3 and os.read(follower, 10) == b'hi\n'


def children(folder):
    ended = subprocess.Popen(['/bin/busybox', 'true'])
    stopped = subprocess.Popen(CHILD)
    stopped.send_signal(signal.SIGSTOP)
    watched = os.pidfd_open(stopped.pid)
    time.sleep(0.3)
    is_stopped = lambda: open('/proc/%d/stat' % stopped.pid).read().split()[2] == 'T'
    return lambda: is_stopped() and not select.select([watched], [], [], 0)[0] and ended.wait() == 0


def threads(folder):
    for _ in range(20):
        threading.Thread(target=threading.Event().wait, daemon=True).start()
    return lambda: threading.active_count() == 21


def system_v(folder):
    memory, queue = call(libc.shmget(77, 4096, 0o1600)), call(libc.msgget(77, 0o1600))
    return lambda: libc.shmget(77, 0, 0) == memory and libc.msgget(77, 0) == queue


def watch(folder):
    fd = call(libc.inotify_init())
    call(libc.inotify_add_watch(fd, folder.encode(), 0x100))

    def sees():
        open(folder + '/new', 'w').close()
        return select.select([fd], [], [], 1)[0] == [fd]
    return sees


def unix_unaccepted(folder):
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(folder + '/socket')
    listening.listen()
    client = socket.socket(socket.AF_UNIX)
    client.connect(folder + '/socket')
    client.send(b'q')
    return lambda: listening.accept()[0].recv(1) == b'q' and client


def unix_of_host(folder):
    client = socket.socket(socket.AF_UNIX)
    client.connect('/host/socket')
    return lambda: client.send(b'x') == 1


def locked(folder):
    file = open(folder + '/lock', 'w')
    fcntl.flock(file, fcntl.LOCK_EX)
    return lambda: file


def leased(folder):
    open(folder + '/lease', 'w').close()
    file = open(folder + '/lease')
    fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    return lambda: file


def traced(folder):
    child = os.fork()
    if child == 0:
        libc.ptrace(0, 0, 0, 0)
        os.kill(os.getpid(), signal.SIGSTOP)
    os.waitpid(child, os.WUNTRACED)
    return lambda: True


def system_call(number, *arguments):
    fd = call(libc.syscall(number, *arguments))
    return lambda: fd


def namespace(flag):
    child = subprocess.Popen(['/bin/busybox', 'unshare', flag, '-f', *CHILD])
    time.sleep(0.5)
    return lambda: child.poll() is None


HOLD = {
    'deleted': lambda folder: deleted(folder + '/x', 5 * MB),
    'deleted-shm': lambda folder: deleted('/dev/shm/x', 5 * MB),
    'deleted-tmpfs': lambda folder: deleted('/run/x', 5 * MB),
    'deleted-volume': lambda folder: deleted('/data/x', 5 * MB),
    'deleted-mapped': deleted_and_mapped,
    'deleted-of-image': deleted_of_image,
    'deleted-program': deleted_program,
    'deleted-sparse': deleted_sparse,
    'deleted-with-folder': deleted_with_folder,
    'deleted-cwd': deleted_cwd,
    'other-name-left': other_name_left,
    'other-name-left-volume': lambda folder: other_name_left('/data'),
    'rotated': rotated,
    'nameless': nameless,
    'memory-file': memory_file,
    'pipe': pipe,
    'unix-listening': unix_listening,
    'unix-connected': unix_connected,
    'descriptor-on-its-way': descriptor_on_its_way,
    'waiting': waiting,
    'terminal': terminal,
    'children': children,
    'threads': threads,
    'system-v': system_v,
    'watch': watch,
    'watch-of-image': lambda folder: watch('/etc'),
    'unix-unaccepted': unix_unaccepted,
    'unix-of-host': unix_of_host,
    'locked': locked,
    'leased': leased,
    'traced': traced,
    'io_uring': lambda folder: system_call(425, 8, ctypes.byref(ctypes.create_string_buffer(120))),
    'userfaultfd': lambda folder: system_call(323, 1),
    'bpf': lambda folder: system_call(321, 0, struct.pack('IIIII', 2, 4, 8, 4, 0) + b'\0' * 100, 72),
    'perf': lambda folder: system_call(298, struct.pack('IIQ', 1, 128, 0) + b'\0' * 112, 0, -1, -1, 0),
    'pid-namespace': lambda folder: namespace('-p'),
    'user-namespace': lambda folder: namespace('-U'),
}


def hold(name):
    folder = '/srv/' + name
    os.makedirs(folder)
    return HOLD[name](folder)


held = {name: hold(name) for name in sys.argv[1:]}


def tell(*_):
    for name, is_right in held.items():
        try:
            print(name, 'right' if is_right() else 'wrong', flush=True)
        except Exception as error:
            print(name, 'wrong:', repr(error), flush=True)
    print('told', flush=True)


signal.signal(signal.SIGUSR1, tell)
print('holding', flush=True)
while True:
    time.sleep(0.1)
