// measure.mjs BOOK: measures the machine in the page, in Chromium, and writes book/generated/machine.md, which a page
// shows. Takes a quarter of an hour, on a machine that does nothing else.
import assert from "node:assert/strict";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { cpus, release } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import {
    chapter, control, emptyEmulator, enter, goTo, isAt, launch, press, says, serve, shows, sleep, start, text, until,
} from "./reader.mjs";

const [book] = process.argv.slice(2);
const { origin, close } = await serve(book);
const browser = await launch();
const page = await browser.newPage();
await page.setViewport({ width: 1280, height: 900 });
const devtools = await browser.target().createCDPSession();
const collector = await page.createCDPSession();

const rows = [];
const row = (what, measured, bound) => {
    rows.push(`| ${what} | ${measured} | ${bound} |`);
    console.log(rows.at(-1));
};
const median = (all) => [...all].sort((a, b) => a - b)[Math.floor(all.length / 2)];
const ms = (time) => `${time.toFixed()} ms`;

// The page is the one renderer that has an emulator's memory: the largest.
async function pages() {
    const { processInfo } = await devtools.send("SystemInfo.getProcessInfo");
    const one = (id) => Number(/^Rss:\s+(\d+)/m.exec(readFileSync(`/proc/${id}/smaps_rollup`))[1]) / 1024;
    const all = processInfo.filter(({ type }) => type === "renderer").map(({ id, cpuTime }) => ({ cpuTime, memory: one(id) }));
    return all.reduce((large, other) => (other.memory > large.memory ? other : large));
}
// v86's clock is a worker, which has garbage of its own: the browser lets it grow to ten MiB.
async function memory() {
    const workers = page.workers().map(({ client }) => client);
    for (const session of [collector, ...workers]) await session.send("HeapProfiler.collectGarbage");
    await sleep(1000);
    return (await pages()).memory;
}
const held = async () => (await page.metrics()).JSHeapUsedSize / 2 ** 20;
const MiB = (size) => `${size.toFixed()} MiB`;
async function load(seconds) {
    const before = (await pages()).cpuTime;
    await sleep(seconds * 1000);
    return `${(((await pages()).cpuTime - before) / seconds * 100).toFixed(1)} %`;
}

// What is loaded: the state is packed already, and the rest is as a server packs it.
const { folder } = JSON.parse(readFileSync(join(book, "machine/machine.json")));
const sizes = readdirSync(join(book, "machine", folder)).map((file) => {
    const body = readFileSync(join(book, "machine", folder, file));
    return file.endsWith(".zst") ? body.length : gzipSync(body, { level: 9 }).length;
});
row("To load, packed", `${(sizes.reduce((sum, size) => sum + size) / 1e6).toFixed(1)} MB`, "10 MB");

await page.goto(`${origin}/book/step08-cgroup.html`);
row("Memory of the page's process, before the click", MiB(await memory()), "");
row("From the click to the prompt, the first time", ms(await start(page)), "");
const times = [];
for (let i = 0; i < 5; i++) {
    await page.goto(`${origin}/book/step0${i + 3}-${["uts", "child", "pid", "chroot", "proc"][i]}.html`);
    times.push(await start(page));
}
row("The same, with all files in the browser's cache", ms(median(times)), "2000 ms");
row("An emulator with nothing in it", ms(await emptyEmulator(page)), "");
await page.goto(`${origin}/book/step08-cgroup.html`);
await start(page);
await isAt(page, "step08");
await says(page, /Escape/);
await sleep(5000);
row("Memory of the page's process, after the start", MiB(await memory()), "400 MiB");
row("Of it, what scripts hold", MiB(await held()), "");
row("Load of one core while nobody types", await load(30), "5 %");

const keys = [];
for (let i = 0; i < 50; i++) {
    const before = (await text(page)).length;
    await page.keyboard.press("x");
    keys.push(await until("an x", async () => (await text(page)).length > before));
}
row("A key is echoed, median of 50", ms(median(keys)), "50 ms");
row("A key is echoed, the slowest of 50", ms(Math.max(...keys)), "");
await control(page, "c");
const runs = [];
for (let i = 0; i < 5; i++) {
    await enter(page, "clear; time cargo run -p step08-cgroup -- run true");
    runs.push(await shows(page, /real.*\nlaptop#$/s));
}
row("`cargo run -p step08-cgroup -- run true`, seen", ms(median(runs)), "1000 ms");

const anew = [];
const sizesAfter = [];
for (let i = 0; i < 20; i++) {
    await enter(page, "clear; echo started");
    await shows(page, /started\nlaptop#$/);
    await press(page, "Start anew");
    anew.push(await shows(page, /^laptop#$/));
    await says(page, /Escape/);
    if (i === 1 || i === 19) sizesAfter.push(await memory());
}
row("*Start anew*, median of 20", ms(median(anew)), "2000 ms");
row("Memory after two of them", MiB(sizesAfter[0]), "");
row("Memory after twenty", MiB(sizesAfter[1]), "no more");

// A reader who is busy for ten minutes: a container every ten seconds, with a fork bomb in some. The page is looked at
// twice a second. `shows` looks as often as it can, and each look leaves something in the page's memory.
async function use(line, wanted) {
    await enter(page, line);
    do await sleep(500); while (!wanted.test(await text(page)));
}
for (let i = 1; i <= 60; i++) {
    const next = sleep(10_000);
    await goTo(page, 0);
    await use("clear; cargo run -p step08-cgroup -- run bash", /container:\/#$/);
    await use(i % 4 ? "ps; ls /bin" : ":() { : | : & }; :", i % 4 ? /wc\n.*#$/s : /Resource temporarily unavailable/);
    await use("exit", /laptop#$/);
    await next;
    if (![6, 30, 60].includes(i)) continue;
    // What the emulator has compiled for the last container goes within ten seconds.
    await sleep(15_000);
    row(`Memory after ${i / 6} min of use`, MiB(await memory()), i === 60 ? "no more" : "");
}
row("Of it, what scripts hold", MiB(await held()), "no more");
const other = await browser.newPage();
await other.bringToFront();
await sleep(2000);
row("Load of one core in a hidden tab", await load(20), "0 %");
assert(chapter(page));

const chromium = (await browser.version()).replace("Chrome/", "Chromium ");
const cpu = cpus()[0].model.split(" ").slice(0, 2).join(" ");
const date = new Date().toISOString().slice(0, 10);
writeFileSync(new URL("../generated/machine.md", import.meta.url), `Measured on ${date}: ${cpu}, ${cpus().length} cores, Linux ${release()}, ${chromium} without a screen.

| what | measured | at most |
|---|---|---|
${rows.join("\n")}
`);
await browser.close();
close();
