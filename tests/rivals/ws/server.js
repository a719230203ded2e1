// The opponent on Node's ws. README.md beside this folder says what it answers.
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { WebSocketServer } from 'ws';

const ends = new Map();

function endOf(name) {
  if (!ends.has(name)) {
    let settle;
    const known = new Promise((resolve) => (settle = resolve));
    ends.set(name, { known, settle });
  }
  return ends.get(name);
}

function pattern(kind, size) {
  if (kind === 'text') return Buffer.from('aé€😀'.repeat(size / 10));
  const data = Buffer.alloc(size);
  for (let i = 0; i < size; i++) data[i] = (i * 31 + 7) & 0xff;
  return data;
}

function sendInFragments(socket, kind, data, count) {
  const step = Math.max(1, Math.floor(data.length / count));
  for (let start = 0; start < data.length; start += step) {
    socket.ping();
    const fin = start + step >= data.length;
    socket.send(data.subarray(start, start + step), { binary: kind === 'binary', fin });
  }
}

const commands = {
  name(socket, name) {
    socket.name = name;
    socket.send(`named ${name}`);
  },
  async closed(socket, name) {
    socket.send(await endOf(name).known);
  },
  ping(socket, text) {
    socket.once('pong', (data) => socket.send(`pong ${data}`));
    socket.ping(text);
  },
  pings(socket) {
    socket.send(`${socket.pings} ${socket.lastPing}`);
  },
  send(socket, kind, size) {
    socket.send(pattern(kind, Number(size)), { binary: kind === 'binary' });
  },
  fragments(socket, kind, size, count) {
    sendInFragments(socket, kind, pattern(kind, Number(size)), Number(count));
  },
  invalid(socket) {
    socket.send(Buffer.from('fine \xff not', 'latin1'), { binary: false });
  },
  close(socket, code, ...reason) {
    socket.close(Number(code), reason.join(' '));
  },
};

function handle(socket) {
  socket.pings = 0;
  socket.lastPing = '';
  socket.on('ping', (data) => {
    socket.pings += 1;
    socket.lastPing = data.toString();
  });
  socket.on('error', () => {});
  socket.on('close', (code, reason) => {
    if (socket.name) endOf(socket.name).settle(`${code} ${reason}`);
  });
  socket.on('message', (data, isBinary) => {
    const words = isBinary ? [] : data.subarray(0, 200).toString().split(' ');
    if (words[0] !== 'do') return socket.send(data, { binary: isBinary });
    commands[words[1]](socket, ...words.slice(2));
  });
}

function listen(server) {
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: 0,
    perMessageDeflate: { threshold: 0 },
    handleProtocols: (offered) => (offered.has('json') ? 'json' : false),
  });
  sockets.on('connection', handle);
  server.on('upgrade', (request, stream, head) => {
    if (request.url.startsWith('/reject')) {
      stream.end('HTTP/1.1 403 Forbidden\r\nX-Reason: sunday\r\nConnection: close\r\n\r\nnot today');
      return;
    }
    sockets.handleUpgrade(request, stream, head, (socket) => sockets.emit('connection', socket));
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server.address().port)));
}

const [cert, key] = process.argv.slice(2).map((file) => readFileSync(file));
const ws = await listen(http.createServer());
const wss = await listen(https.createServer({ cert, key }));
console.log(`listening ws=${ws} wss=${wss}`);
