// The machine in Node. `boot` starts it from a kernel, and `resume` from a saved state, as a page does.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { V86 } from "v86";

export const options = JSON.parse(readFileSync(new URL("options.json", import.meta.url)));

async function make(more) {
    const wasm_path = createRequire(import.meta.url).resolve("v86/build/v86.wasm");
    const emulator = new V86({ ...options, ...more, wasm_path, autostart: false });
    await new Promise((done) => emulator.add_listener("emulator-loaded", done));
    return emulator;
}

export async function boot(kernel, initrd) {
    const file = (path) => ({ buffer: new Uint8Array(readFileSync(path)).buffer });
    const emulator = await make({
        bios: file("/usr/share/seabios/bios.bin"),
        vga_bios: file("/usr/share/seabios/vgabios-stdvga.bin"),
        bzimage: file(kernel),
        initrd: file(initrd),
        // SeaBIOS keeps the last 16 MiB and uses none of them: they become memory like the rest. And the emulator's
        // clock is right, and need not be measured on a machine that may be busy.
        cmdline: `console=ttyS0 quiet memmap=16M%${options.memory_size / 2 ** 20 - 16}M-2+1 noapic init_on_free=1` +
            " tsc=reliable tsc_early_khz=1000000 random.trust_cpu=on",
    });
    await emulator.run();
    return emulator;
}

export async function resume(state) {
    const emulator = await make({});
    await emulator.restore_state(new Uint8Array(readFileSync(state)).buffer);
    await emulator.run();
    tell(emulator, `clock ${Date.now() / 1000}`);
    return emulator;
}

export function type(emulator, port, text) {
    emulator.serial_send_bytes(port, new TextEncoder().encode(text));
}

// What `init` is told by the third port.
export function tell(emulator, line) {
    type(emulator, 2, `${line}\n`);
}
