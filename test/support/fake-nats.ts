import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';

/**
 * A TCP port that greets as a nats-server would, for servers that cannot be had any more; or says
 * something else, or nothing.
 */
export async function fakeNats(
  greeting: object | string | undefined,
): Promise<{ readonly url: string; close(): Promise<void> }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    if (greeting === undefined) return;
    if (typeof greeting === 'string') {
      socket.write(greeting);
      return;
    }
    const info = { server_id: 'fake', max_payload: 1_048_576, proto: 1, headers: true, ...greeting };
    socket.write(`INFO ${JSON.stringify(info)}\r\n`);
    socket.on('data', (data) => {
      for (const line of data.toString().split('\r\n')) if (line.startsWith('PING')) socket.write('PONG\r\n');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `nats://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
