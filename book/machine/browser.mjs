// browser.mjs BOOK [firefox]: opens the built book in Chromium, or in Firefox, and uses it as a reader would.
// Figures that depend on how fast a machine is are printed; what is asked of them is a ratio. With SHOTS=FOLDER it
// leaves pictures there.
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, test } from "node:test";
import { pathToFileURL } from "node:url";
import {
    button, chapter, control, emptyEmulator, enter, goTo, isAt, launch, press, says, serve, shows, sleep, start, text,
    typeThis, until,
} from "./reader.mjs";

const [book, name = "chrome"] = process.argv.slice(2);
const isFirefox = name === "firefox";
const { requests, origin, close } = await serve(book);
const browser = await launch(name);
after(async () => {
    await browser.close();
    close();
});

const errors = [];
async function open(path, { width = 1280, height = 900, hasTouch = false, prepare } = {}) {
    const page = await browser.newPage();
    await page.setViewport({ width, height, hasTouch, isMobile: hasTouch && !isFirefox });
    page.on("pageerror", (error) => errors.push(String(error)));
    await prepare?.(page);
    await page.goto(path.includes(":") ? path : `${origin}/${path}`);
    return page;
}
const picture = (page, what) => process.env.SHOTS
    && page.screenshot({ path: join(process.env.SHOTS, `${name}-${what}.png`) });
const figure = (t, what, ms) => t.diagnostic(`${what}: ${ms.toFixed()} ms`);

test("nothing is loaded before the click", async () => {
    const page = await open("book/step05-pid.html");
    assert.deepEqual(requests.filter((path) => /^machine\/(?!panel)/.test(path)), []);
    await page.close();
});

const noSwitch = isFirefox && "a test cannot turn Firefox's JavaScript off";
test("nothing is missed without JavaScript", { skip: noSwitch }, async () => {
    const page = await open("book/step05-pid.html");
    const words = () => page.$eval("main", (main) => main.textContent.replace(/\s+/g, " "));
    await page.waitForSelector(".recording-button");
    await page.$$eval(".machine-note, .recording-button", (buttons) => buttons.map((one) => one.remove()));
    const withScripts = await words();
    await page.setJavaScriptEnabled(false);
    await page.reload();
    assert.equal(await page.$(".machine-note, .recording-button"), null);
    assert.equal(await words(), withScripts);
    await page.close();
});

test("a click on what is typed copies it", async () => {
    const permissions = ["clipboard-read", "clipboard-write", "clipboard-sanitized-write"];
    if (!isFirefox) await browser.defaultBrowserContext().overridePermissions(origin, permissions);
    const page = await open("book/step05-pid.html");
    await page.bringToFront();
    const copied = () => page.evaluate(() => navigator.clipboard.readText());
    await page.click("main .language-console .command");
    await until("the line", async () => (await copied()) === "cargo run -p step05-pid -- run bash");
    // mdBook's button copies all typed lines of a block, without prompts and answers.
    const block = await page.$("main pre:has(.language-console)");
    await block.hover();
    await (await block.$(".clip-button")).click();
    await until("the block", async () => (await copied()) === "cargo run -p step05-pid -- run bash\necho $$\nexit");
    await page.close();
});

test("a reader tries a chapter, and goes on to the next", async (t) => {
    const page = await open("book/step05-pid.html");
    await page.evaluate(() => scrollTo(0, 150));
    const click = await start(page);
    figure(t, "click to prompt, first", click);

    await t.test("types, with the chapter beside the terminal", async (t) => {
        await isAt(page, "step05-pid.html");
        assert.equal(await chapter(page).evaluate(() => scrollY), 150);
        await enter(page, "cargo run -p step05-pid -- run bash");
        figure(t, "run bash", await shows(page, /Running in child \[bash\] as 1\ncontainer#$/));
        await enter(page, "echo $$");
        await shows(page, /echo \$\$\n2\ncontainer#$/);
        await enter(page, "hostname; exit 3");
        await shows(page, /\ncontainer\nexit\nlaptop#$/);
        await enter(page, "echo $?");
        await shows(page, /\n3\nlaptop#$/);
    });

    await t.test("sees each key at once", async (t) => {
        const times = [];
        for (let i = 0; i < 20; i++) {
            const before = (await text(page)).length;
            await page.keyboard.press("x");
            times.push(await until("an x", async () => (await text(page)).length > before));
        }
        times.sort((a, b) => a - b);
        figure(t, "a key is echoed, median", times[10]);
        figure(t, "a key is echoed, worst", times[19]);
        await control(page, "c");
        await shows(page, /\^C\n?laptop#$/);
    });

    await t.test("keys are the terminal's while it has the focus, and Escape twice leaves it", async () => {
        await page.keyboard.press("ArrowLeft");
        await enter(page, "s");
        await shows(page, /s: command not found\nlaptop#$/);
        assert.match(page.url(), /step05/);
        const inside = () => page.evaluate(() => document.activeElement.classList.contains("xterm-helper-textarea"));
        await page.keyboard.press("Escape");
        assert(await inside());
        await page.keyboard.press("Escape");
        assert(!await inside());
        assert.equal(await page.evaluate(() => document.activeElement.textContent), "Hide");
    });

    await t.test("opens the second terminal of the same machine, whose clock is right", async () => {
        await press(page, "Second terminal");
        await shows(page, /laptop#$/, 1);
        const before = Date.now() / 1000 - 30;
        await enter(page, "clear; date +%s; tty");
        await shows(page, /ttyS1\nlaptop#$/, 1);
        const clock = Number(/^(\d{10})$/m.exec(await text(page, 1))[1]);
        assert(clock > before && clock < Date.now() / 1000 + 30, `the clock says ${clock}, and it was ${before}`);
    });

    await t.test("has blocks typed into their terminals, and is told what cannot be", async () => {
        await typeThis(page, "-- run sleep 4711\n");
        await shows(page, /Running in child \[sleep 4711\] as 1$/);
        await typeThis(page, "ps -a --forest -o pid,ppid,args");
        await shows(page, /_ sleep 4711\n(.*\n)*laptop#$/, 1);
        await picture(page, "two-terminals");
        await goTo(page, 0);
        await control(page, "c");
        await shows(page, /\^C\n?laptop#$/);
        const reasons = await chapter(page).$$eval(".machine-type", (all) => all.map((one) => one.textContent).filter((one) => one !== "Type this"));
        assert(reasons.some((reason) => /^Not in this machine: .*compiler/.test(reason)), String(reasons));
    });

    await t.test("finds the machine as it was on the next page, and back", async () => {
        await goTo(page, 0);
        await enter(page, "clear; here=step05");
        await shows(page, /^laptop#$/);
        await (await chapter(page).$("a.mobile-nav-chapters.next")).click();
        await isAt(page, "step06-chroot.html");
        assert.match(await page.title(), /^Step 6/);
        await goTo(page, 0);
        await enter(page, "echo $here");
        await shows(page, /\nstep05\nlaptop#$/);
        await (await chapter(page).$("main p")).click(); // no link, as headings are
        await page.keyboard.press("ArrowRight");
        await isAt(page, "step07-proc.html");
        await page.evaluate(() => history.back());
        await isAt(page, "step06-chroot.html");
        await page.evaluate(() => history.back());
        await isAt(page, "step05-pid.html");
        assert.match(await page.title(), /^Step 5/);
        await goTo(page, 0);
        await enter(page, "echo still $here");
        await shows(page, /\nstill step05\nlaptop#$/);
    });

    await t.test("hides it, and finds it again", async () => {
        await press(page, "Hide");
        assert(!await page.$eval(".machine-terminals", (element) => element.offsetHeight > 0));
        await press(page, "Show");
        await enter(page, "echo and $here");
        await shows(page, /\nand step05\nlaptop#$/);
    });

    await t.test("drags the terminals higher", async () => {
        const height = () => page.$eval("#machine", (panel) => panel.offsetHeight);
        const before = await height();
        const { x, y, width } = await (await page.$(".machine-divider")).boundingBox();
        await page.mouse.move(x + width / 3, y + 4);
        await page.mouse.down();
        await page.mouse.move(x + width / 3, y - 96, { steps: 4 });
        await page.mouse.up();
        const after = await height();
        assert(after > before + 80 && after < before + 120, `${before}, then ${after}`);
    });

    await t.test("reads on in the dark", async () => {
        const background = () => page.evaluate(() => window.machine.terminals[0].term.options.theme.background);
        const light = await background();
        await chapter(page).evaluate(() => document.getElementById("mdbook-theme-navy").click());
        await until("dark", async () => (await background()) !== light);
        await chapter(page).evaluate(() => document.getElementById("mdbook-theme-light").click());
        await until("light", async () => (await background()) === light);
    });

    await t.test("goes to another tab: the machine stands still, and knows the time afterwards", async () => {
        const instructions = () => page.evaluate(() => window.machine.emulator.get_instruction_counter());
        const other = await browser.newPage();
        await other.bringToFront();
        await until("still", () => page.evaluate(() => !window.machine.emulator.is_running()));
        const before = await instructions();
        await sleep(1000);
        assert.equal(await instructions(), before);
        await other.close();
        await page.bringToFront();
        await goTo(page, 0);
        await enter(page, "clear; date +%s");
        await shows(page, /^\d{10}\nlaptop#$/m);
        await until("the time", async () => {
            await enter(page, "clear; date +%s");
            await shows(page, /^\d{10}\nlaptop#$/m);
            return Math.abs(Number(/^\d{10}$/m.exec(await text(page))[0]) - Date.now() / 1000) < 30;
        });
    });

    await t.test("starts anew", async (t) => {
        await press(page, "Start anew");
        figure(t, "start anew", await shows(page, /^laptop#$/));
        await says(page, /Escape/);
        await enter(page, "echo \"<$here>\"");
        await shows(page, /\n<>\nlaptop#$/);
    });

    await t.test("waits little longer than for an empty emulator", async (t) => {
        const empty = [];
        const cached = [];
        for (let i = 0; i < 3; i++) {
            empty.push(await emptyEmulator(page));
            await page.goto(`${origin}/book/step06-chroot.html`);
            cached.push(await start(page));
            await says(page, /Escape/);
        }
        // The browser keeps what it has compiled, sometimes: the empty one takes 40 to 110 ms here.
        empty.sort((a, b) => a - b);
        figure(t, "an empty emulator, median of three", empty[1]);
        figure(t, "click to prompt, cached, best of three", Math.min(...cached));
        // Two seconds, where an empty one takes 50 ms.
        assert(Math.min(...cached) < 40 * empty[1], `${cached} ms, and ${empty} ms for an empty emulator`);
    });
    await page.close();
});

test("the fork bomb stops at 20, and the page still scrolls", async (t) => {
    const page = await open("book/step08-cgroup.html");
    await page.evaluate(() => localStorage.setItem("mdbook-theme", "navy"));
    await page.reload();
    await start(page);
    await enter(page, "time cargo run -p step08-cgroup -- run true");
    figure(t, "step08-cgroup run true", await shows(page, /real.*laptop#$/s));
    t.diagnostic(/real.*/.exec(await text(page))[0]);
    await press(page, "Second terminal");
    await shows(page, /laptop#$/, 1);
    await goTo(page, 0);
    await enter(page, "cargo run -p step08-cgroup -- run bash");
    await shows(page, /container:\/#$/);
    await enter(page, ":() { : | : & }; :");
    figure(t, "the bomb is stopped", await shows(page, /Resource temporarily unavailable/));
    const frames = await chapter(page).evaluate(async () => {
        const start = performance.now();
        for (let i = 0; i < 30; i++) {
            scrollBy(0, 20);
            await new Promise(requestAnimationFrame);
        }
        return performance.now() - start;
    });
    figure(t, "30 frames while it goes on", frames);
    assert.equal(await chapter(page).evaluate(() => scrollY), 600);
    await picture(page, "fork-bomb");
    await goTo(page, 1);
    await enter(page, "cat /sys/fs/cgroup/container-*/pids.{max,current}");
    await shows(page, /\n20\n20\nlaptop#$/, 1);
    // Its messages have covered the prompt of the next block.
    await typeThis(page, "root@container:/# exit\n…");
    await shows(page, /find \/sys\/fs\/cgroup -name 'container-\*'\nlaptop#$/);
    await page.evaluate(() => localStorage.removeItem("mdbook-theme"));
    await page.close();
});

test("a block leaves Ctrl-C to the reader, and waits for its prompt until he types himself", async () => {
    const page = await open("book/step02-exec.html");
    await start(page);
    await isAt(page, "step02-exec.html");
    await typeThis(page, "-- run sleep 100\n");
    await says(page, /Now press Ctrl-C/);
    await shows(page, /Running \[sleep 100\]$/);
    await control(page, "c");
    await shows(page, /echo \$\?\n130\nlaptop#$/);
    await enter(page, "PS1='elsewhere# '");
    await shows(page, /elsewhere#$/);
    await typeThis(page, "-- run sleep 100\n");
    await says(page, /Waiting for the prompt laptop#/);
    await enter(page, "PS1='laptop# '");
    await says(page, /Escape/);
    await shows(page, /PS1='laptop# '\nlaptop#$/);
    // In a fresh machine, the prompt is at the top again.
    await press(page, "Start anew");
    await shows(page, /^laptop#$/);
    await typeThis(page, "-- run sleep 100\n");
    await says(page, /Now press Ctrl-C/);
    await page.close();
});

test("on a phone", async () => {
    const page = await open("book/step05-pid.html", { width: 390, height: 844, hasTouch: true });
    await start(page);
    await picture(page, "phone");
    assert(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "nothing is wider than the phone");
    if (!isFirefox) await page.touchscreen.tap(200, 700);
    await enter(page, "cargo run -p step05-pid -- run sleep 4711");
    await shows(page, /Running in child \[sleep 4711\] as 1$/);
    // The keyboard takes half of the page.
    await page.setViewport({ width: 390, height: 440, hasTouch: true, isMobile: !isFirefox });
    await until("room", () => page.evaluate(() => document.body.offsetHeight <= 440));
    await until("the cursor is seen", () => page.evaluate(() => {
        const { bottom, height } = document.querySelector(".xterm-screen").getBoundingClientRect();
        return height > 0 && bottom <= 440;
    }));
    await picture(page, "phone-keyboard");
    if (!isFirefox) await press(page, "Ctrl-C");
    else await page.evaluate(() => window.machine.terminals[0].term.input("\x03"));
    await shows(page, /\^C\n?laptop#$/);
    await press(page, "Second terminal");
    await shows(page, /laptop#$/, 1);
    assert.deepEqual(await page.$$eval(".machine-terminal", (all) => all.map((one) => one.offsetWidth > 0)), [false, true]);
    await press(page, "Second terminal");
    assert.deepEqual(await page.$$eval(".machine-terminal", (all) => all.map((one) => one.offsetWidth > 0)), [true, false]);
    await page.close();
});

test("in two languages", { timeout: 600_000 }, async (t) => {
    const page = await open("book/step05-pid.html#pid-1");
    const follow = async (view) => (await view.$(".languages a")).click();
    await t.test("a link leads to the same place in the other", async () => {
        await Promise.all([page.waitForNavigation(), follow(page)]);
        assert.equal(page.url(), `${origin}/book/zh-Hans/step05-pid.html#pid-1`);
        assert.equal(await page.$eval("html", (html) => html.lang), "zh-Hans");
        assert.match(await page.title(), /^第 5 步/);
    });
    await t.test("there is one machine for both, and it goes on when the language changes", async () => {
        await start(page);
        await enter(page, "clear; here=kept");
        await typeThis(page, "readlink /proc/self");
        await shows(page, /Running in child \[bash\] as 1\n(.*\n)*exit\nlaptop#$/);
        assert(!requests.some((path) => /zh-Hans\/machine\/(?!panel)/.test(path)), "nothing is loaded twice");
        await (await chapter(page).$("a.mobile-nav-chapters.next")).click();
        await isAt(page, "zh-Hans/step06-chroot.html");
        await follow(chapter(page));
        await until("English", () => page.url() === `${origin}/book/step06-chroot.html`);
        await isAt(page, "step06-chroot.html");
        await until("its buttons", () => chapter(page).$(".machine-type button"));
        await goTo(page, 0);
        await enter(page, "clear; echo still $here");
        await shows(page, /^still kept\nlaptop#$/);
    });
    await page.close();
    await t.test("Chinese is searched for as it stands", async () => {
        const page = await open("book/zh-Hans/step01-run.html?search=命名空间");
        await until("results", () => page.$eval("#mdbook-searchresults", (list) => list.children.length > 5));
        const results = await page.$$eval("#mdbook-searchresults li", (all) => all.map((one) => one.textContent));
        assert(results.every((result) => result.includes("命名空间")), String(results));
        await page.close();
    });
    await t.test("and pages that are opened as files have their links", async () => {
        const page = await open(pathToFileURL(join(book, "zh-Hans/reference/troubleshooting.html")).href);
        await Promise.all([page.waitForNavigation(), follow(page)]);
        assert.equal(page.url(), pathToFileURL(join(book, "reference/troubleshooting.html")).href);
        await page.close();
    });
});

test("what goes wrong is said", async (t) => {
    await t.test("no machine in this copy", async () => {
        const page = await open("absent/step05-pid.html");
        await page.click(".machine-note button");
        await says(page, /comes without the machine: `book\/machine\/make` makes it/);
        assert.equal(await page.$(button("Try again")).then((found) => found.isVisible()), false);
        await page.close();
    });
    await t.test("a download that breaks off, and another try", async () => {
        const page = await open("broken/step05-pid.html");
        await page.click(".machine-note button");
        await says(page, /The machine is not loaded/);
        await press(page, "Try again");
        await shows(page, /^laptop#$/);
        await page.close();
    });
    await t.test("no WebAssembly", async () => {
        const prepare = (page) => page.evaluateOnNewDocument(() => { delete window.WebAssembly; });
        const page = await open("book/step05-pid.html", { prepare });
        await page.click(".machine-note button");
        await says(page, /needs WebAssembly/);
        await page.close();
    });
    await t.test("a page opened as a file", async () => {
        const page = await open(pathToFileURL(join(book, "step05-pid.html")).href);
        await page.click(".machine-note button");
        await says(page, /opened as a file may load nothing/);
        await page.close();
    });
});

test("no page has had an error", () => assert.deepEqual(errors, []));
