// What a reader does and sees in a browser: for browser.mjs, which tests it, and measure.mjs, which times it.
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join } from "node:path";
import puppeteer from "puppeteer-core";

// A plain server of files: no ranges, no compression. In /absent/ there are no machine and no recordings, and in /broken/ the
// download of its state breaks off, once.
const types = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };
export async function serve(book) {
    const requests = [];
    let breaks = 1;
    const server = createServer(async ({ url }, answer) => {
        const [, kind, path] = /^\/(\w+)\/([^?]*)/.exec(url) ?? [];
        requests.push(path);
        try {
            if (kind === "absent" && /^(machine\/machine.json|recordings\/.*cast)$/.test(path)) throw Error("absent");
            const body = await readFile(join(book, path));
            answer.writeHead(200, {
                "content-type": types[extname(path)] ?? "application/octet-stream",
                "content-length": body.length,
                "cache-control": "max-age=600",
            });
            if (kind === "broken" && path.endsWith("state.zst") && breaks-- > 0) {
                answer.write(body.subarray(0, body.length / 2), () => answer.destroy());
            } else answer.end(body);
        } catch {
            answer.writeHead(404).end();
        }
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    return { requests, origin: `http://127.0.0.1:${server.address().port}`, close: () => server.close() };
}

export const launch = (browser = "chrome") => puppeteer.launch({
    browser,
    executablePath: { chrome: "/usr/bin/chromium", firefox: "/usr/bin/firefox-esr" }[browser],
    args: browser === "chrome" ? ["--no-sandbox", "--disable-gpu"] : [],
    extraPrefsFirefox: { "dom.events.testing.asyncClipboard": true }, // a page may read what was copied
    protocolTimeout: 300_000,
});

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

// Waits, and says how many milliseconds it took.
export async function until(what, condition, seconds = 60) {
    const start = performance.now();
    while (!(await condition())) {
        if (performance.now() - start > seconds * 1000) throw Error(`${what}: not within ${seconds} s`);
        await sleep(5);
    }
    return performance.now() - start;
}

// --- A terminal ---
// What it shows, a line that goes on in the next row as one: how wide a terminal is depends on the machine's fonts.
export const text = (page, port = 0) => page.evaluate((port) => {
    const { active } = window.machine?.terminals[port]?.term.buffer ?? {};
    const lines = [];
    for (let i = 0; i < active?.length; i++) {
        const row = active.getLine(i);
        lines.push(`${row.isWrapped ? lines.pop() : ""}${row.translateToString()}`);
    }
    return lines.map((line) => line.trimEnd()).join("\n").trimEnd();
}, port);
export async function shows(page, wanted, port = 0) {
    let seen;
    const isThere = async () => wanted.test(seen = await text(page, port));
    return until(wanted, isThere).catch((error) => { throw Error(`${error.message}, but ${JSON.stringify(seen)}`); });
}
export const goTo = (page, port) => page.evaluate((port) => window.machine.terminals[port].term.focus(), port);
export async function enter(page, line) {
    await page.keyboard.type(line);
    await page.keyboard.press("Enter");
}
export async function control(page, key) {
    await page.keyboard.down("Control");
    await page.keyboard.press(key);
    await page.keyboard.up("Control");
}

// --- The panel ---
export async function start(page) {
    await page.click(".machine-note button");
    return shows(page, /^laptop#$/);
}
export const button = (label) => `::-p-xpath(//*[@id="machine"]//button[.="${label}"])`;
export const press = async (page, label) => (await page.waitForSelector(button(label), { visible: true })).click();
export const says = (page, words) => until(words,
    async () => words.test(await page.$eval(".machine-status", (status) => status.textContent)));

// --- The chapter ---
export const chapter = (page) => page.frames().find((frame) => frame.parentFrame());
// The chapter is in its frame, and the page around it knows.
export const isAt = (page, path) => until(path, async () => page.url().includes(path)
    && chapter(page)?.url().includes(path)
    && await chapter(page).title().catch(() => "") === await page.title());
// Presses the button below the block that has these words in it.
export async function typeThis(page, words) {
    const find = (words) => [...document.querySelectorAll("main pre:has(+ .machine-type)")]
        .find((block) => block.textContent.includes(words))?.nextElementSibling.querySelector("button") ?? null;
    await until(words, async () => (await chapter(page).evaluateHandle(find, words)).asElement());
    await (await chapter(page).evaluateHandle(find, words)).evaluate((key) => key.click());
}

export async function emptyEmulator(page) {
    return page.evaluate(async () => {
        const { folder, options } = await (await fetch("machine/machine.json")).json();
        const start = performance.now();
        const emulator = new V86({ ...options, wasm_path: `machine/${folder}/v86.wasm`, autostart: false });
        await new Promise((done) => emulator.add_listener("emulator-loaded", done));
        emulator.destroy();
        return performance.now() - start;
    });
}
