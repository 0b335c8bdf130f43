// Listens and ends as upstream's streaming server does, and serves as little as the tests need.

import { createHash } from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';

const server = http.createServer((request, response) => {
  if (request.url === '/api/v1/streaming/health') {
    response.writeHead(200, { 'Content-Type': 'text/plain' });
    response.end('OK');
    return;
  }
  response.writeHead(200, { 'Content-Type': 'text/event-stream' });
  response.write(':)\n');
  const timer = setInterval(() => response.write(':thump\n'), 20);
  request.on('close', () => clearInterval(timer));
});

server.on('upgrade', (request, socket) => {
  const key = createHash('sha1')
    .update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
    .digest('base64');
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${key}\r\n\r\n`);
  socket.on('error', () => {});
});

server.listen(process.env.SOCKET, () => {
  fs.chmodSync(server.address(), 0o666);
  console.log(`now listening on ${server.address()}`);
});

const onExit = () => {
  server.close();
  process.exit(0);
};
process.on('SIGINT', onExit);
process.on('SIGTERM', onExit);
process.on('exit', onExit);
