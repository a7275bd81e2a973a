// terminals.mjs STATE FOLDER: resumes the machine, and makes its terminals the sockets 0 and 1 in
// FOLDER. Ends with its standard input.
import { createServer } from "node:net";
import { resume } from "./machine.mjs";

const [state, folder] = process.argv.slice(2);
const emulator = await resume(state);
for (const port of [0, 1]) {
    const server = createServer((socket) => {
        emulator.add_listener(`serial${port}-output-byte`, (byte) => socket.write(Uint8Array.of(byte)));
        socket.on("data", (bytes) => emulator.serial_send_bytes(port, bytes));
        emulator.serial_send_bytes(port, Uint8Array.of(10));
    });
    await new Promise((done) => server.listen(`${folder}/${port}`, done));
}
process.stdin.on("end", () => process.exit()).resume();
console.log("ready");
