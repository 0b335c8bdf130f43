// What a streaming server does differently here from what it does by itself:
//
// - It listens on the socket that systemd hands over (LISTEN_FDS, LISTEN_PID). Two releases can be on it at once, and
//   neither removes the socket's file or changes its mode: both are systemd's.
// - It also answers on PROBE_SOCKET, alone: there it is asked whether it is well before the old release stops.
// - On TERM it first stops accepting, so that whoever connects reaches the release that stays, and only then lets go of
//   its clients. These connect again, some after others.

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import process from 'node:process';

export const FIRST_FD = 3;
export const SPREAD_MS = 1000;
export const STEP_MS = 25;
export const LAST_WORD_MS = 3000;
export const SILENCE_MS = 1000;
// RFC 6455: a close frame of a server, status 1001, going away
export const GOING_AWAY = Buffer.from([0x88, 0x02, 0x03, 0xe9]);

/**
 * Whether systemd handed a socket to this very process (sd_listen_fds(3)).
 * @param {NodeJS.ProcessEnv} env
 * @param {number} pid
 */
export const hasSocket = (env, pid) => Number(env.LISTEN_PID) === pid && Number(env.LISTEN_FDS) >= 1;

/**
 * How many of `count` clients are let go at each step.
 * @param {number} count
 */
export const share = (count) => Math.max(1, Math.ceil(count / (SPREAD_MS / STEP_MS)));

/** The clients of a server, and how each of them is let go. */
export class Clients {
  constructor() {
    /** @type {Set<net.Socket>} */
    this.sockets = new Set();
    /** @type {Map<net.Socket, number>} when those came that have asked for nothing yet */
    this.silent = new Map();
    /** @type {Map<net.Socket, http.ServerResponse>} */
    this.answers = new Map();
    /** @type {WeakSet<net.Socket>} */
    this.websockets = new WeakSet();
    /** @type {WeakSet<net.Socket>} */
    this.dismissed = new WeakSet();
  }

  /** @param {http.Server} server */
  watch(server) {
    this.count(server);
    server.prependListener('request', ({ socket }, response) => {
      this.silent.delete(socket);
      this.answers.set(socket, response);
      response.once('close', () => {
        if (this.answers.get(socket) === response) {
          this.answers.delete(socket);
        }
      });
    });
    server.prependListener('upgrade', ({ socket }) => {
      this.silent.delete(socket);
      this.websockets.add(socket);
    });
  }

  /** @param {http.Server} server */
  count(server) {
    server.on('connection', (socket) => {
      this.sockets.add(socket);
      this.silent.set(socket, Date.now());
      socket.once('close', () => {
        this.sockets.delete(socket);
        this.silent.delete(socket);
      });
    });
  }

  /**
   * Whether a client can be let go without an error: its question may be on the way, or not answered yet.
   * @param {net.Socket} socket
   */
  canGo(socket) {
    if (this.silent.has(socket)) {
      return Date.now() - this.silent.get(socket) > SILENCE_MS;
    }
    return this.websockets.has(socket) ? socket.bytesWritten > 0 : (this.answers.get(socket)?.headersSent ?? true);
  }

  /**
   * End one client the way its protocol ends, so that the web server in front sees no error.
   * @param {net.Socket} socket
   */
  dismiss(socket) {
    this.dismissed.add(socket);
    if (this.websockets.has(socket)) {
      socket.end(GOING_AWAY);
    } else {
      this.answers.get(socket)?.end();
      socket.destroySoon();
    }
  }

  /**
   * Let all clients go, a few at a time, then call `done`; whoever does not leave is cut.
   * @param {() => void} done
   */
  dismissAll(done) {
    const some = share(this.sockets.size);
    const deadline = Date.now() + SPREAD_MS + LAST_WORD_MS;
    const step = () => {
      const left = [...this.sockets].filter((socket) => !this.dismissed.has(socket) && this.canGo(socket));
      left.slice(0, some).forEach((socket) => this.dismiss(socket));
      if (this.sockets.size > 0 && Date.now() < deadline) {
        setTimeout(step, STEP_MS);
      } else {
        this.sockets.forEach((socket) => socket.destroy());
        done();
      }
    };
    step();
  }
}

/**
 * Let what a server answers be asked on a socket of its own, too.
 * @param {http.Server} server
 * @param {string} path
 */
const answerProbes = (server, path) => {
  const probes = http.createServer();
  probes.on('request', (...given) => server.emit('request', ...given));
  probes.on('upgrade', (...given) => server.emit('upgrade', ...given));
  fs.rmSync(path, { force: true });
  probes.listen(path);
  return probes;
};

/** Tell systemd that this process serves, where its unit asks for it. Node cannot write to such a socket itself. */
const notify = () => {
  if (process.env.NOTIFY_SOCKET) {
    spawn('/usr/bin/systemd-notify', ['--ready'], { stdio: 'ignore' }).on('error', () => {});
  }
};

/**
 * Take over how HTTP servers of this process listen and how the process ends.
 * @param {boolean} inherited whether there is a socket from systemd
 */
export const install = (inherited) => {
  const clients = new Clients();
  /** @type {Set<http.Server>} */
  const servers = new Set();
  // Node does not know the name of a socket that it did not make
  const name = process.env.SOCKET || `file descriptor ${FIRST_FD}`;

  const probe = process.env.PROBE_SOCKET;

  const listen = net.Server.prototype.listen;
  net.Server.prototype.listen = function (...given) {
    if (!(this instanceof http.Server)) {
      return listen.apply(this, given);
    }
    servers.add(this);
    if (given[0] === probe) {
      clients.count(this);
      return listen.apply(this, given);
    }
    clients.watch(this);
    this.once('listening', () => {
      if (probe) {
        answerProbes(this, probe);
      }
      notify();
    });
    if (!inherited) {
      return listen.apply(this, given);
    }
    this.address = () => name;
    return listen.call(
      this,
      { fd: FIRST_FD },
      given.find((it) => typeof it === 'function'),
    );
  };

  if (inherited) {
    const chmodSync = fs.chmodSync;
    fs.chmodSync = (path, mode) => (path === name ? undefined : chmodSync(path, mode));
  }

  // The server's own handlers end the process at once: what they do is done when the clients are gone
  const on = process.on;
  /** @type {((...args: unknown[]) => void) | undefined} */
  let end;
  let ending = false;
  process.on = process.addListener = function (event, listener) {
    if (event === 'SIGTERM' || event === 'SIGINT') {
      end = listener;
      return this;
    }
    return on.call(this, event, listener);
  };
  for (const signal of ['SIGTERM', 'SIGINT']) {
    on.call(process, signal, () => {
      if (!ending) {
        ending = true;
        servers.forEach((server) => server.close());
        clients.dismissAll(() => (end ? end() : process.exit(0)));
      }
    });
  }
};
