// A way to a server that loses connections at random, in the middle of whatever goes over them.
import net from "node:net";

/** Listen on a free port and pass everything on; each connection is cut after a while. */
export async function flaky({ host, port, secondsMin = 0.1, secondsMax = 0.6 }) {
  let cuts = 0;
  const server = net.createServer((near) => {
    const far = net.connect(port, host);
    const end = () => {
      near.destroy();
      far.destroy();
    };
    const seconds = secondsMin + Math.random() * (secondsMax - secondsMin);
    const timer = setTimeout(() => {
      cuts += 1;
      end();
    }, seconds * 1000);
    for (const socket of [near, far]) {
      socket.setNoDelay(true);
      socket.on("error", end);
      socket.on("close", () => {
        clearTimeout(timer);
        end();
      });
    }
    near.pipe(far);
    far.pipe(near);
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  return { port: server.address().port, cuts: () => cuts, close: () => server.close() };
}
