'use strict';

// In a transcript, what the reader types looks different from what the machine says. A click on
// a typed line copies that line, and the button copies all typed lines of its block. Without
// this script a page says the same.

(() => {
    // The prompts of lines that the book's test has typed, and those of lines that nobody has.
    const prompts = /^(root@)?[a-z][a-z0-9-]*(:[^ ]*)?[#$] /;
    const otherPrompts = /^[#$] /;

    function span(name, text) {
        const element = document.createElement('span');
        element.className = name;
        element.textContent = text;
        return element;
    }

    // Is this typed into a shell within a shell? Either its prompt says so, or the reader has
    // started a shell that has the prompt of the first.
    const shells = { first: 0, second: 0, unchecked: 0 };
    function isInside(terminal, prompt, text) {
        const isOther = !/^(laptop|[#$])/.test(prompt);
        const inside = isOther || shells[terminal] > 0;
        if (isOther) shells[terminal] = 0;
        else if (/\b(bash|sh)$/.test(text)) shells[terminal] += 1;
        else if (/^exit\b/.test(text) && inside) shells[terminal] -= 1;
        return inside;
    }

    function mark(code, pattern, terminal) {
        let inside = false;
        const lines = code.textContent.split('\n').map(line => {
            const whole = span('', '');
            const [prompt] = line.match(pattern) ?? [];
            if (prompt) {
                const text = line.slice(prompt.length);
                inside = isInside(terminal, prompt, text);
                whole.append(span('prompt', prompt), copyable(span('', text)));
            } else {
                whole.append(line === '^C' ? span('typed', line) : line);
            }
            whole.classList.toggle('inside', inside && line !== '');
            return whole;
        });
        code.replaceChildren(...lines.flatMap(line => [line, '\n']).slice(0, -1));
    }

    function copyable(typed) {
        typed.classList.add('typed', 'command');
        typed.title = told('Click to copy');
        typed.addEventListener('click', () => {
            // Whoever selects a part of the line wants that part.
            if (!getSelection().isCollapsed || !navigator.clipboard) return;
            navigator.clipboard.writeText(typed.textContent).then(() => {
                typed.classList.add('copied');
                setTimeout(() => typed.classList.remove('copied'), 1000);
            });
        });
        return typed;
    }

    // After a block of the second terminal, and up to the next section, the first is named too.
    let hasTwo = false;
    for (const element of document.querySelectorAll('main h2, main pre > code')) {
        const isSecond = element.classList.contains('second');
        if (element.matches('h2')) hasTwo = false;
        if (isSecond) hasTwo = true;
        if (element.matches('.language-console')) {
            if (hasTwo && !isSecond) element.classList.add('first');
            mark(element, prompts, isSecond ? 'second' : 'first');
        } else if (element.matches('.language-text') && otherPrompts.test(element.textContent)) {
            shells.unchecked = 0;
            mark(element, otherPrompts, 'unchecked');
        }
    }

    // What is to be typed stands in a sentence, too.
    for (const code of document.querySelectorAll('main :is(p, li, td) > code')) {
        if (/^(CONTAINER=\S+ )?cargo \w/.test(code.textContent)) copyable(code);
    }

    // mdBook asks this function what its button copies.
    const wholeText = window.playground_text;
    window.playground_text = (block, hidden) => {
        const typed = Array.from(block.querySelectorAll('.command'), line => line.textContent);
        return typed.length > 0 ? typed.join('\n') : wholeText(block, hidden);
    };
})();
