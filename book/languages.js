'use strict';

// The book in two languages. po/zh-Hans.po has the text of its Chinese pages, and here is what mdBook, panel.js,
// play.js and transcripts.js say by themselves.

const isChinese = document.documentElement.lang === 'zh-Hans';
window.rootOfAll = isChinese ? '../' : '';

const chinese = {
    // transcripts.js
    'Click to copy': '点击即可复制',
    // machine/panel.js
    'Try it here': '在这里试试',
    'Start a Linux machine': '启动一台 Linux 机器',
    ' A Linux machine in this page, with the programs of this book in it. It is some 10 MB to load, runs in your browser, and nothing that you type leaves it.':
        ' 这个页面里就有一台 Linux 机器，装着本书的全部程序。大约要加载 10 MB，它在你的浏览器里运行，你输入的内容不会离开浏览器。',
    'terminal': '终端',
    'second terminal': '第二个终端',
    'Try again': '再试一次',
    'Load what is missing': '加载缺少的部分',
    'loaded': '加载进度',
    'Ctrl-C': 'Ctrl-C',
    'Stop what runs in the terminal': '停止终端里正在运行的程序',
    'Second terminal': '第二个终端',
    'Another terminal of the same machine': '同一台机器的另一个终端',
    'Hide': '隐藏',
    'Show': '显示',
    'Hide the terminals, or show them; the machine goes on': '隐藏或显示终端；机器继续运行',
    'Start anew': '重新开始',
    'Throw this machine away, and take a fresh one': '丢掉这台机器，换一台全新的',
    'Notices': '许可声明',
    'Size': '大小',
    'A Linux machine': '一台 Linux 机器',
    'Escape twice leaves the terminal.': '按两次 Escape 离开终端。',
    'The machine is not loaded ({}).': '机器没有加载成功（{}）。',
    'A page that is opened as a file may load nothing. Type `python3 -m http.server` in its folder, and open http://localhost:8000.':
        '作为文件打开的页面不能加载任何东西。请在书的根文件夹里输入 `python3 -m http.server`，再打开 http://localhost:8000/zh-Hans/。',
    'The machine needs WebAssembly, and this browser has none, or it is off.': '这台机器需要 WebAssembly，而这个浏览器不支持，或者把它关掉了。',
    'This copy of the book comes without the machine: `book/machine/make` makes it, and then `mdbook build book` takes it along.':
        '这份书没有带上机器：先用 `book/machine/make` 制作它，再用 `book/build` 构建，就会带上它。',
    'Loading … {} of {} MB': '正在加载…… {} / {} MB',
    'Starting …': '正在启动……',
    'Now press Ctrl-C.': '现在按 Ctrl-C。',
    'Waiting for the prompt {}…': '正在等待提示符 {}……',
    'Not in this machine: {}.': '这台机器里做不了：{}。',
    'Type this': '输入这条',
    'Type this into the machine in this page': '把这些输入到本页的机器里',
    // machine/cannot.json
    'it takes what only your machine has': '它需要只有你的机器上才有的东西',
    'it takes a compiler': '它需要编译器',
    'the machine has a root filesystem already': '机器里已经有根文件系统',
    'this answer takes libraries that are not built for the machine': '这个答案用到的库没有为这台机器构建',
    'it has no ip and no ping': '机器里没有 ip 和 ping',
    'it takes umoci, a program in Go of 15 MB': '它需要 umoci，一个 15 MB 的 Go 程序',
    // recordings/play.js
    'Play': '播放',
    'Show the text': '显示文字',
    // mdBook
    'Table of contents': '目录',
    'Toggle Table of Contents': '显示或隐藏目录',
    'Change theme': '更换主题',
    'Themes': '主题',
    'Auto': '自动',
    'Light': '浅色',
    'Search (`/`)': '搜索（/）',
    'Toggle Searchbar': '显示或隐藏搜索框',
    'Search this book ...': '搜索本书……',
    'Print this book': '打印本书',
    'Git repository': 'Git 仓库',
    'Previous chapter': '上一章',
    'Next chapter': '下一章',
    'Page navigation': '翻页',
    'Copy to clipboard': '复制到剪贴板',
    'Keyboard shortcuts': '键盘快捷键',
};
window.told = (text, ...values) => ((isChinese && chinese[text]) || text).replace(/\{\}/g, () => values.shift());
function tell(element) {
    for (const { name, value } of element.attributes) {
        if (/^(title|aria-label|placeholder)$/.test(name)) element.setAttribute(name, told(value));
    }
    if (element.textContent && !element.children.length) element.textContent = told(element.textContent.trim());
    return element;
}
window.make = (tag, properties, ...children) => {
    const element = tell(Object.assign(document.createElement(tag), properties));
    element.append(...children);
    return element;
};

// The link to the other language leads to the same page, and to the same place in it. It is there in a book that
// book/build has made.
for (const link of document.querySelectorAll('.languages a')) {
    const root = new URL(path_to_root || '.', document.baseURI);
    const here = () => {
        const page = location.pathname.slice(root.pathname.length);
        link.href = new URL(`${isChinese ? '../' : 'zh-Hans/'}${page}${location.hash}`, root);
    };
    here();
    addEventListener('hashchange', here);
    document.querySelector('.right-buttons').prepend(link.parentElement);
}

if (isChinese) {
    for (const element of document.querySelectorAll('[title], [aria-label], [placeholder], .theme, .mdbook-help-title')) {
        if (!element.closest('main')) tell(element);
    }

    // What is not translated is in English, as transcripts are: a voice that reads aloud wants to know.
    for (const part of document.querySelectorAll('main :is(h1, h2, h3, p, li, td, th, pre, svg)')) {
        if (!/\p{Script=Han}/u.test(part.textContent)) part.setAttribute('lang', 'en');
    }

    // mdBook's search takes words that stand between blanks, and throws away all but Latin letters. For Chinese, look
    // for what was typed as it stands.
    const { Index } = window.elasticlunr ?? {};
    const { search } = Index?.prototype ?? {};
    if (search) Index.prototype.search = function (words, options) {
        if (!/\p{Script=Han}/u.test(words)) return search.call(this, words, options);
        const wanted = words.toLowerCase().split(/\s+/);
        const found = [];
        for (const [ref, doc] of Object.entries(this.documentStore.docs)) {
            const [title, body] = [doc.title.toLowerCase(), doc.body.toLowerCase()];
            if (!wanted.every(word => title.includes(word) || body.includes(word))) continue;
            const times = wanted.reduce((sum, word) => sum + body.split(word).length - 1, 0);
            const score = times + (wanted.some(word => title.includes(word)) ? 1000 : 0);
            // A blank before each: then mdBook marks it in the lines that it shows.
            const from = Math.max(0, body.indexOf(wanted[0]) - 30);
            let lines = doc.body.slice(from, from + 120);
            for (const word of wanted) lines = lines.replaceAll(word, ` ${word} `);
            found.push({ ref, score, doc: { ...doc, body: lines } });
        }
        return found.sort((one, other) => other.score - one.score);
    };
    // An address that has a search in it may have been faster than this script: then search again.
    const searchbar = document.getElementById('mdbook-searchbar');
    for (const words of searchbar.value ? ['.', searchbar.value] : []) {
        searchbar.value = words;
        searchbar.dispatchEvent(new Event('keyup'));
    }
}
