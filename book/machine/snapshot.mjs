// snapshot.mjs KERNEL INITRD OUT: starts the machine, and saves its state once both shells wait.
import { writeFileSync } from "node:fs";
import { boot, tell, type } from "./machine.mjs";

const [kernel, initrd, out] = process.argv.slice(2);
const emulator = await boot(kernel, initrd);
const shown = ["", ""];
for (const port of [0, 1]) {
    emulator.add_listener(`serial${port}-output-byte`, (byte) => {
        shown[port] += String.fromCharCode(byte);
        if (process.env.VERBOSE) process.stdout.write(String.fromCharCode(byte));
    });
}
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

async function prompt(port, seconds) {
    for (let i = 0; i < seconds * 20; i++) {
        if (shown[port].endsWith("laptop# ") || shown[port].endsWith("laptop# \x1b[?2004h")) return;
        await sleep(50);
    }
    console.error(`machine: no prompt within ${seconds} s, but: ${shown[port]}`);
    process.exit(1);
}
async function run(port, line) {
    shown[port] = "";
    type(emulator, port, `${line}\r`);
    await prompt(port, 120);
}

await prompt(0, 900);
await prompt(1, 120);
// What a reader does first is done once, and so goes faster.
await run(0, "cargo run -p step08-cgroup -- run ps");
await run(0, "history -c");
tell(emulator, "pids 2610");
await sleep(1000);
for (const port of [0, 1]) await run(port, "clear");
await sleep(1000);
await emulator.stop();
writeFileSync(out, new Uint8Array(await emulator.save_state()));
process.exit(0);
