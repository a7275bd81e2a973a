// browser.mjs BOOK: opens what book/build has built in Chromium, and plays recordings as a reader would. With SHOTS=FOLDER it
// leaves pictures there.
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, test } from "node:test";
import { launch, serve, until } from "../machine/reader.mjs";

const { requests, origin, close } = await serve(process.argv[2]);
const browser = await launch();
after(async () => {
    await browser.close();
    close();
});

const errors = [];
const button = ".recording-button button";
async function open(path, features = []) {
    const page = await browser.newPage();
    await page.setViewport({ width: 1280, height: 900 });
    await page.emulateMediaFeatures(features);
    page.on("pageerror", (error) => errors.push(String(error)));
    await page.goto(`${origin}/${path}`, { waitUntil: "networkidle0" });
    return page;
}
const picture = (page, what) => process.env.SHOTS && page.screenshot({ path: join(process.env.SHOTS, `${what}.png`) });
const label = (page) => page.$eval(button, (element) => element.textContent);
const shown = (page) => page.$$eval(".recording .ap-line", (lines) => lines.map((line) => line.textContent.trimEnd()).join("\n"));
const plays = (page, words) => until(words, async () => words.test(await shown(page)), 30);

test("nothing is loaded before the click, but the question whether there is a recording", async () => {
    const page = await open("book/step05-pid.html");
    const asked = requests.filter((path) => /^recordings\/(?!play)/.test(path));
    assert.deepEqual(asked, ["recordings/step05-pid.cast"]);
    await page.close();
});

test("every step's chapter plays what its transcript says", async () => {
    for (const [step, words] of [
        ["step01-run", /Running \[echo Hello, world\]/], ["step02-exec", /^7$/m], ["step03-uts", /laptop\nlaptop#/],
        ["step04-child", /^container$/m], ["step05-pid", /^2$/m], ["step06-chroot", /^bin +dev/m],
        ["step07-proc", /00:00:00 exe/], ["step08-cgroup", /2>\/dev\/null/],
    ]) {
        const page = await open(`book/${step}.html`);
        await page.click(button);
        await plays(page, words);
        await picture(page, step);
        await page.close();
    }
});

test("by the keyboard alone: play, pause, and back to the text", async () => {
    const page = await open("book/step05-pid.html");
    await page.focus(button);
    await page.keyboard.press("Enter");
    await plays(page, /laptop# cargo/);
    await page.keyboard.press("Space");
    const paused = await shown(page);
    await new Promise((done) => setTimeout(done, 1000));
    assert.equal(await shown(page), paused);
    await page.keyboard.press("ArrowRight"); // which turns pages elsewhere
    await until("two seconds on", async () => (await shown(page)) !== paused);
    assert.match(page.url(), /step05-pid/);
    await page.focus(button);
    await page.keyboard.press("Enter");
    assert.equal(await label(page), "Play");
    assert.equal(await page.$(".recording"), null);
    assert.ok(await page.$eval("main pre:has(> .language-console)", (pre) => pre.offsetHeight > 0));
    await page.close();
});

test("where nothing is to move, it shows its end", async () => {
    const page = await open("book/step05-pid.html", [{ name: "prefers-reduced-motion", value: "reduce" }]);
    await page.click(button);
    await plays(page, /exit\nlaptop#/);
    await page.close();
});

test("it has the colours of the page", async () => {
    const page = await open("book/step06-chroot.html");
    await page.click(button);
    await plays(page, /container/);
    const ground = () => page.$eval(".ap-player", (player) => getComputedStyle(player).backgroundColor);
    const light = await ground();
    await page.evaluate(() => document.documentElement.classList.replace("light", "navy"));
    await picture(page, "dark");
    assert.notEqual(await ground(), light);
    await page.close();
});

test("without recordings there is no button, and nor without JavaScript", async () => {
    const without = await open("absent/step05-pid.html");
    assert.equal(await without.$(button), null);
    await without.close();
    const page = await open("book/step05-pid.html");
    await page.setJavaScriptEnabled(false);
    await page.reload();
    assert.equal(await page.$(button), null);
    await page.close();
});

test("the Chinese book plays the same", async () => {
    const page = await open("book/zh-Hans/step05-pid.html");
    assert.equal(await label(page), "播放");
    await page.click(button);
    await plays(page, /^2$/m);
    await page.close();
});

test("no page had an error", () => assert.deepEqual(errors, []));
