// A server of WebSockets. No other instance can take its connections over, so the server asks each client to connect again, and
// the client finds another instance. The plugin waits until the last connection is closed.
import { createServer } from 'node:http';
import { leaving } from 'lossless-lifecycle';
import { WebSocketServer } from 'ws';

const server = createServer((_, response) => response.end('ok\n'));
const sockets = new WebSocketServer({ server });

sockets.on('connection', (socket) => {
  const leave = () => socket.close(1012, 'service restart');
  leaving().addEventListener('abort', leave);
  socket.once('close', () => leaving().removeEventListener('abort', leave));
  socket.on('message', (message) => socket.send(`${message}`));
});

server.listen(Number(process.env.PORT ?? 8080));
