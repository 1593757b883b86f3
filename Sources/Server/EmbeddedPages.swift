// swift-format-ignore-file
// Written by scripts/embed_pages.py from Sources/Server/Pages. Do not edit.

package enum EmbeddedPages {
    package static let files: [(path: String, bytes: [UInt8])] = [
        ("css/base.css", Array(file0.utf8)),
        ("css/chart.css", Array(file1.utf8)),
        ("css/chat.css", Array(file2.utf8)),
        ("css/inspect.css", Array(file3.utf8)),
        ("css/markdown.css", Array(file4.utf8)),
        ("css/playground.css", Array(file5.utf8)),
        ("css/runs.css", Array(file6.utf8)),
        ("icon.svg", Array(file7.utf8)),
        ("index.html", Array(file8.utf8)),
        ("inspect.html", Array(file9.utf8)),
        ("js/api.js", Array(file10.utf8)),
        ("js/chart.js", Array(file11.utf8)),
        ("js/chat/exchange.js", Array(file12.utf8)),
        ("js/chat/generate.js", Array(file13.utf8)),
        ("js/chat/main.js", Array(file14.utf8)),
        ("js/chat/message.js", Array(file15.utf8)),
        ("js/chat/models.js", Array(file16.utf8)),
        ("js/chat/settings.js", Array(file17.utf8)),
        ("js/chat/sidebar.js", Array(file18.utf8)),
        ("js/chat/store.js", Array(file19.utf8)),
        ("js/chat/tree.js", Array(file20.utf8)),
        ("js/dom.js", Array(file21.utf8)),
        ("js/i18n/en.js", Array(file22.utf8)),
        ("js/i18n/zh.js", Array(file23.utf8)),
        ("js/i18n.js", Array(file24.utf8)),
        ("js/inspect/attention.js", Array(file25.utf8)),
        ("js/inspect/data.js", Array(file26.utf8)),
        ("js/inspect/lens.js", Array(file27.utf8)),
        ("js/inspect/main.js", Array(file28.utf8)),
        ("js/inspect/next.js", Array(file29.utf8)),
        ("js/inspect/sampling.js", Array(file30.utf8)),
        ("js/markdown/blocks.js", Array(file31.utf8)),
        ("js/markdown/highlight.js", Array(file32.utf8)),
        ("js/markdown/inline.js", Array(file33.utf8)),
        ("js/markdown/render.js", Array(file34.utf8)),
        ("js/markdown/symbols.js", Array(file35.utf8)),
        ("js/markdown/tex.js", Array(file36.utf8)),
        ("js/playground/completion.js", Array(file37.utf8)),
        ("js/playground/main.js", Array(file38.utf8)),
        ("js/playground/tokenizer.js", Array(file39.utf8)),
        ("js/playground/tokens.js", Array(file40.utf8)),
        ("js/runs/curves.js", Array(file41.utf8)),
        ("js/runs/main.js", Array(file42.utf8)),
        ("js/runs/views.js", Array(file43.utf8)),
        ("js/shell.js", Array(file44.utf8)),
        ("js/sse.js", Array(file45.utf8)),
        ("playground.html", Array(file46.utf8)),
        ("runs.html", Array(file47.utf8)),
    ]
}

private let file0 = #"""
/* Colours, type and the parts every page is built of. */
:root {
  color-scheme: light dark;
  --back: #faf9f7; --raised: #ffffff; --sunken: #f1efeb; --line: #e4e1db; --ink: #22211f; --soft: #66625b;
  --accent: #2b5f8f; --accent-soft: #e3edf5; --on-accent: #ffffff; --bad: #a8322a; --bad-soft: #f9e9e7;
  --good: #2b7350; --focus: #2b5f8f; --heat: 43, 95, 143; --shadow: 0 1px 2px #0000000f, 0 6px 24px #0000000f;
  --sans: system-ui, -apple-system, "Segoe UI", "Noto Sans", "PingFang SC", "Hiragino Sans GB", "Microsoft YaHei",
    "Noto Sans CJK SC", sans-serif;
  --mono: ui-monospace, "SF Mono", "Cascadia Mono", "DejaVu Sans Mono", Menlo, Consolas, monospace;
}
@media (prefers-color-scheme: dark) { :root:not([data-theme="light"]) {
  --back: #17181a; --raised: #1f2123; --sunken: #131416; --line: #313438; --ink: #e6e4e0; --soft: #a09c94;
  --accent: #8dbbe4; --accent-soft: #22313e; --on-accent: #10202e; --bad: #f0978f; --bad-soft: #3a2321;
  --good: #7fc9a3; --focus: #8dbbe4; --heat: 141, 187, 228; --shadow: 0 1px 2px #0006, 0 6px 24px #0006;
} }
:root[data-theme="light"] { color-scheme: light; }
:root[data-theme="dark"] {
  color-scheme: dark;
  --back: #17181a; --raised: #1f2123; --sunken: #131416; --line: #313438; --ink: #e6e4e0; --soft: #a09c94;
  --accent: #8dbbe4; --accent-soft: #22313e; --on-accent: #10202e; --bad: #f0978f; --bad-soft: #3a2321;
  --good: #7fc9a3; --focus: #8dbbe4; --heat: 141, 187, 228; --shadow: 0 1px 2px #0006, 0 6px 24px #0006;
}
*, *::before, *::after { box-sizing: border-box; }
html, body { height: 100%; }
body {
  margin: 0; display: flex; flex-direction: column; background: var(--back); color: var(--ink);
  font: 16px/1.6 var(--sans); -webkit-text-size-adjust: 100%;
}
h1, h2, h3, h4 { line-height: 1.3; font-weight: 600; margin: 0; }
h2 { font-size: 1.05rem; }
a { color: var(--accent); }
button, input, select, textarea { font: inherit; color: inherit; }
input, textarea, select { color: var(--ink); }
:focus-visible { outline: 2px solid var(--focus); outline-offset: 2px; }
[hidden] { display: none !important; }

.skip { position: absolute; left: -999px; }
.skip:focus { left: 1rem; top: .5rem; z-index: 30; background: var(--raised); padding: .3rem .8rem; }
.quiet { color: var(--soft); }
.small { font-size: .84rem; }
.mono { font-family: var(--mono); }
.grow { flex: 1; min-width: 0; }
.row { display: flex; align-items: center; gap: .6rem; flex-wrap: wrap; }
.number { font-variant-numeric: tabular-nums; text-align: right; }
.bad { color: var(--bad); }

/* The bar on top. */
.bar {
  display: flex; align-items: center; gap: .25rem; padding: 0 .9rem; height: 3.25rem; flex: none;
  border-bottom: 1px solid var(--line); background: var(--back);
}
.brand { display: flex; align-items: center; gap: .5rem; font-weight: 650; text-decoration: none; color: var(--ink);
  margin-right: 1rem; letter-spacing: .01em; }
.brand svg { width: 1.5rem; height: 1.5rem; fill: var(--accent); }
.bar nav { display: flex; gap: .15rem; height: 100%; overflow-x: auto; scrollbar-width: none; }
.bar nav a { display: flex; align-items: center; padding: 0 .75rem; text-decoration: none; color: var(--soft);
  border-bottom: 2px solid transparent; border-top: 2px solid transparent; white-space: nowrap; }
.bar nav a:hover { color: var(--ink); }
.bar nav a[aria-current] { color: var(--ink); border-bottom-color: var(--accent); }
.bar nav a:focus-visible { outline-offset: -3px; }

button, .button {
  display: inline-flex; align-items: center; justify-content: center; gap: .4rem; min-height: 2.25rem;
  padding: .25rem .85rem; border: 1px solid var(--line); border-radius: 9px; background: var(--raised); cursor: pointer;
  text-decoration: none; color: var(--ink); white-space: nowrap;
}
button:hover { border-color: var(--soft); }
button:disabled { opacity: .45; cursor: default; }
button.primary { background: var(--accent); color: var(--on-accent); border-color: transparent; }
button.primary:hover { filter: brightness(1.07); }
button.plain { border-color: transparent; background: none; color: var(--soft); padding: .25rem .55rem; }
button.plain:hover { background: var(--sunken); color: var(--ink); }
button.icon { width: 2.25rem; padding: 0; }
button svg { width: 1.15rem; height: 1.15rem; fill: none; stroke: currentColor; stroke-width: 1.7;
  stroke-linecap: round; stroke-linejoin: round; }
button[aria-pressed="true"] { background: var(--accent-soft); border-color: transparent; color: var(--accent); }
button.danger { color: var(--bad); }

input[type="text"], input[type="search"], input[type="password"], input[type="number"], select, textarea {
  width: 100%; padding: .45rem .65rem; border: 1px solid var(--line); border-radius: 9px; background: var(--raised);
}
input:focus, select:focus, textarea:focus { outline: 2px solid var(--focus); outline-offset: -1px; }
::placeholder { color: var(--soft); opacity: 1; }
textarea { resize: vertical; line-height: 1.55; }
select { width: auto; max-width: 100%; min-height: 2.25rem; }
input[type="range"] { width: 100%; accent-color: var(--accent); margin: 0; }
input[type="checkbox"] { accent-color: var(--accent); width: 1.05rem; height: 1.05rem; }
.field { display: block; margin: 0 0 .9rem; }
.field > span { display: flex; justify-content: space-between; gap: .5rem; font-size: .87rem; color: var(--soft);
  margin-bottom: .25rem; }
.field.changed > span b { color: var(--accent); }
label.check { display: inline-flex; align-items: center; gap: .5rem; cursor: pointer; }

.page { flex: 1; overflow: auto; width: 100%; }
.sheet { max-width: 76rem; margin: 0 auto; padding: 2rem 1.5rem 5rem; }
.sheet > header { margin-bottom: 1.6rem; }
.sheet > header h1 { font-size: 1.5rem; }
.sheet > header p { margin: .3rem 0 0; color: var(--soft); max-width: 44rem; }
.card { background: var(--raised); border: 1px solid var(--line); border-radius: 14px; padding: 1.1rem 1.25rem;
  margin-bottom: 1.25rem; }
.card > h2 { margin-bottom: .7rem; }
.columns { display: grid; gap: 1.25rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr));
  align-items: start; }
.columns > .card { margin-bottom: 0; }
.notice { padding: .6rem .9rem; border-radius: 10px; background: var(--bad-soft); color: var(--bad); margin: .6rem 0;
  overflow-wrap: anywhere; }
.notice.calm { background: var(--accent-soft); color: var(--ink); }
.wide { overflow-x: auto; }
table.data { border-collapse: collapse; font-variant-numeric: tabular-nums; }
table.data th, table.data td { padding: .3rem .9rem .3rem 0; text-align: left; border-bottom: 1px solid var(--line); }
table.data th { color: var(--soft); font-weight: 500; font-size: .87rem; }
table.data .number { text-align: right; }
dialog { border: 1px solid var(--line); border-radius: 16px; background: var(--raised); color: var(--ink);
  box-shadow: var(--shadow); padding: 1.4rem 1.5rem; width: min(34rem, calc(100vw - 2rem)); }
dialog::backdrop { background: #0006; }
dialog h2 { margin-bottom: .8rem; }
dialog footer { display: flex; justify-content: flex-end; gap: .6rem; margin-top: 1rem; }
.toast { position: fixed; left: 50%; bottom: 1.5rem; transform: translateX(-50%); z-index: 40; padding: .55rem 1rem;
  border-radius: 10px; background: var(--ink); color: var(--back); max-width: calc(100vw - 2rem); }

@media (max-width: 720px) {
  .bar { padding: 0 .4rem; gap: 0; flex-wrap: wrap; height: auto; }
  .bar > * { margin-top: .3rem; }
  .brand { padding: 0 .3rem; margin-right: 0; }
  .bar nav { order: 9; width: 100%; height: 2.4rem; margin-top: .1rem; }
  .bar nav a { flex: 1; justify-content: center; padding: 0 .4rem; font-size: .95rem; }
  .sheet { padding: 1.2rem .9rem 4rem; }
  .card { padding: .9rem .95rem; }
}
@media (prefers-reduced-motion: reduce) { * { animation: none !important; transition: none !important; } }

"""#
private let file1 = #"""
figure.chart { margin: 0; min-width: 0; }
.chart svg { width: 100%; height: auto; display: block; touch-action: pan-y; }
.chart figcaption { display: flex; flex-wrap: wrap; justify-content: space-between; gap: .2rem 1rem; min-height: 1.7rem; }
.chart figcaption b { font-weight: 600; font-size: .95rem; }
.chart .grid { stroke: var(--line); stroke-width: 1; }
.chart .tick { fill: var(--soft); font-size: 11.5px; font-family: var(--sans); }
.chart .curve { fill: none; stroke-width: 2; stroke-linejoin: round; }
.chart .faint { stroke-width: 1; opacity: .28; }
.chart .hair { stroke: var(--soft); stroke-dasharray: 3 3; }
.reading { display: inline-flex; flex-wrap: wrap; gap: .2rem .8rem; font-size: .82rem; color: var(--soft);
  font-variant-numeric: tabular-nums; }
.dot { display: inline-block; width: .6rem; height: .6rem; border-radius: 50%; margin-right: .35rem; }

"""#
private let file2 = #"""
.chat { flex: 1; min-height: 0; display: grid; grid-template-columns: minmax(0, 1fr) auto; position: relative; }
.chat.with-side { grid-template-columns: 17rem minmax(0, 1fr) auto; }
.chat:not(.with-side) > .side { display: none; }
.talk { display: flex; flex-direction: column; min-height: 0; min-width: 0; }
.scroller { flex: 1; overflow-y: auto; }
.scroller:focus { outline: none; }
.messages { max-width: 50rem; margin: 0 auto; padding: 1.8rem 1.5rem 1rem; }
.chat.empty .messages { display: flex; min-height: 100%; align-items: center; }

/* History */
.side { display: flex; flex-direction: column; gap: .7rem; padding: .9rem; min-height: 0; border-right: 1px solid var(--line);
  background: var(--sunken); }
.history { flex: 1; overflow-y: auto; margin: 0 -.4rem; }
.history h3 { font-size: .78rem; font-weight: 500; color: var(--soft); margin: .9rem .5rem .2rem; }
.history > p { padding: 0 .5rem; }
.entry { display: flex; border-radius: 9px; }
.entry:hover, .entry:focus-within { background: var(--raised); }
.entry .title { flex: 1; min-width: 0; display: block; text-align: left; overflow: hidden; text-overflow: ellipsis;
  color: var(--ink); font-size: .92rem; line-height: 1.75; }
.entry .title[aria-current] { font-weight: 600; color: var(--accent); }
.entry button:hover { background: none; }
.entry .icon { width: 0; overflow: hidden; opacity: 0; border: 0; flex: none; }
.entry:hover .icon, .entry:focus-within .icon { width: 1.8rem; opacity: 1; }
.entry .icon svg { width: .95rem; }
.side footer { border-top: 1px solid var(--line); padding-top: .5rem; }
.side footer button { font-size: .82rem; padding: .2rem .3rem; min-height: 2rem; }
.side footer .row { justify-content: space-between; }
.side footer svg { width: .95rem; }
.row.tight { gap: .25rem; flex-wrap: nowrap; margin-bottom: .5rem; }
.side .row.tight { margin: 0; }

/* Messages */
.message { margin-bottom: 1.5rem; }
.message.user { display: flex; flex-direction: column; align-items: flex-end; }
.message.user .body { max-width: 85%; background: var(--accent-soft); border-radius: 16px 16px 4px 16px; padding: .6rem 1rem; }
.message.tool .body { background: var(--sunken); border-radius: 10px; padding: .6rem 1rem; }
.message.tool p { margin: 0 0 .2rem; }
.plaintext { white-space: pre-wrap; overflow-wrap: anywhere; }
.message .who { margin: 0 0 .25rem; font-size: .82rem; color: var(--soft); overflow-wrap: anywhere; }
.foot { display: flex; align-items: center; flex-wrap: wrap; min-height: 2.1rem; margin: .15rem 0 0 -.35rem; color: var(--soft);
  font-size: .8rem; }
.foot button.icon { width: 1.9rem; min-height: 1.9rem; }
.foot svg { width: 1rem; height: 1rem; }
.foot .stats { margin-left: .5rem; font-variant-numeric: tabular-nums; }
.arrows { display: inline-flex; align-items: center; font-variant-numeric: tabular-nums; }
.arrows .icon { width: 1.5rem !important; }
@media (hover: hover) {
  .foot button:not(.vote), .message.user .foot { opacity: 0; transition: opacity .12s; }
  .message:hover .foot *, .message:hover .foot, .foot:focus-within, .foot:focus-within *, .foot .arrows button,
  .message:last-child .foot * { opacity: 1; }
  .foot button:disabled, .message:hover .foot button:disabled { opacity: .35; }
}
.vote[aria-pressed] { min-height: 1.9rem; font-size: .84rem; margin: 0 .4rem 0 .35rem; }
.editing { width: 100%; }
.editing textarea { margin-bottom: .5rem; }
.thought { margin-bottom: .7rem; color: var(--soft); }
.thought summary { cursor: pointer; font-size: .9rem; }
.thought > .markdown { border-left: 2px solid var(--line); padding-left: 1rem; margin-top: .5rem; font-size: .94rem; }
.tool { border: 1px solid var(--line); border-radius: 11px; background: var(--raised); padding: .7rem .9rem; margin: .6rem 0; }
.tool p { margin: 0 0 .3rem; } .tool pre { overflow-x: auto; } .tool textarea { margin-top: .6rem; font-size: .86rem; }
.waiting { display: inline-flex; gap: .3rem; padding: .5rem 0; }
.waiting i { width: .42rem; height: .42rem; border-radius: 50%; background: var(--soft); animation: breathe 1.2s infinite; }
.waiting i:nth-child(2) { animation-delay: .2s; } .waiting i:nth-child(3) { animation-delay: .4s; }
@keyframes breathe { 0%, 60%, 100% { opacity: .25; } 30% { opacity: 1; } }

/* Several models */
.messages:has(.together) { max-width: 82rem; }
.messages:has(.together) > .message { max-width: 47rem; margin-left: auto; margin-right: auto; }
.together { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr)); margin-bottom: 1.5rem; }
.together .message { margin: 0; border: 1px solid var(--line); border-radius: 14px; padding: .9rem 1.1rem .4rem; min-width: 0;
  background: var(--raised); }
.together .message.shown { border-color: var(--accent); }
.together .foot * { opacity: 1 !important; }

/* The place to write */
.composer { max-width: 50rem; width: calc(100% - 2rem); margin: 0 auto 1.1rem; padding: .6rem .6rem .5rem .9rem;
  background: var(--raised); border: 1px solid var(--line); border-radius: 18px; box-shadow: var(--shadow); }
.composer:focus-within { border-color: var(--accent); }
.composer textarea { border: 0; background: none; padding: .35rem .1rem; resize: none; display: block; max-height: 14rem; }
.composer textarea:focus { outline: none; }
.composer .row { gap: .5rem; margin-top: .3rem; }
.composer button.icon { border-radius: 50%; }
.models { display: flex; flex-wrap: wrap; gap: .25rem; min-width: 0; }
.choice { display: inline-flex; align-items: center; min-width: 0; }
.models select { border-color: transparent; background: none; color: var(--soft); font-size: .88rem; min-height: 2rem;
  padding: .1rem .3rem; max-width: 14rem; text-overflow: ellipsis; }
.models select:hover { background: var(--sunken); }
.models button { min-height: 2rem; font-size: .88rem; } .models .icon { width: 1.6rem; } .models svg { width: 1rem; }
.gauge { display: inline-flex; align-items: center; gap: .5rem; font-size: .78rem; color: var(--soft);
  font-variant-numeric: tabular-nums; }
.gauge .track { width: 3.2rem; height: .3rem; border-radius: 1rem; background: var(--line); overflow: hidden; }
.gauge i { display: block; height: 100%; background: var(--accent); }
.gauge.full i { background: var(--bad); } .gauge.full { color: var(--bad); }

.welcome { width: 100%; text-align: center; padding-bottom: 2rem; }
.welcome h1 { font-size: 1.7rem; font-weight: 550; }
.welcome p { margin: .4rem 0 1.6rem; }
.ideas { display: flex; flex-wrap: wrap; gap: .6rem; justify-content: center; }
.ideas button { border-radius: 99px; white-space: normal; color: var(--soft); padding: .3rem 1.1rem; }
.ideas button:hover { color: var(--ink); }

/* Settings */
.drawer { width: 19rem; border-left: 1px solid var(--line); padding: .9rem 1.1rem 2rem; overflow-y: auto; }
.drawer header { margin-bottom: .8rem; } .drawer > h2 { margin: 1.2rem 0 .8rem; }
.drawer select { flex: 1; min-width: 0; }
.slider .value { display: inline-flex; align-items: center; }
.slider b { font-weight: 500; font-variant-numeric: tabular-nums; }
.slider .icon { width: 1.4rem; min-height: 1.4rem; } .slider .icon svg { width: .8rem; }

@media (max-width: 899px) {
  .chat.with-side { grid-template-columns: minmax(0, 1fr); }
  .chat.with-side > .side { position: absolute; inset: 0 auto 0 0; width: min(20rem, 86vw); z-index: 12;
    box-shadow: var(--shadow); }
  .chat.with-side::before { content: ""; position: absolute; inset: 0; background: #0005; z-index: 11; }
  .drawer { position: absolute; inset: 0 0 0 auto; width: min(21rem, 92vw); background: var(--back); z-index: 12;
    box-shadow: var(--shadow); }
  .messages { padding: 1.2rem 1rem .6rem; }
  .composer { width: calc(100% - 1.2rem); margin-bottom: .6rem; }
  .models .label, .gauge .track { display: none; }
  .entry .icon { width: 1.8rem; opacity: .7; }
}

"""#
private let file3 = #"""
.controls { margin-top: .8rem; }
.card > p { margin: -.4rem 0 1rem; }
.switched:not(:empty) { margin-top: .8rem; } .switched button { min-height: 1.9rem; font-size: .86rem; }
.layer { color: var(--soft); font-size: .9rem; margin-bottom: 1rem; max-width: 34rem; }
.maps { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 30rem); gap: 1.8rem; align-items: start; }
.heads { display: grid; grid-template-columns: repeat(auto-fill, minmax(5.6rem, 1fr)); gap: .6rem; }
.head { flex-direction: column; padding: .45rem; gap: .2rem; }
.head[aria-pressed="true"] { background: var(--accent-soft); border-color: var(--accent); }
.head canvas { width: 100%; aspect-ratio: 1; image-rendering: pixelated; background: var(--sunken); border-radius: 4px; }
.head span { font-size: .78rem; color: var(--soft); line-height: 1.2; }
.head.off { opacity: .4; } .head.off span { text-decoration: line-through; }
.framed { margin: .8rem 0 .4rem; }
.framed canvas { width: 100%; aspect-ratio: 1; image-rendering: pixelated; background: var(--sunken); border-radius: 6px; display: block; }
.labelled { display: grid; grid-template-columns: auto minmax(0, 1fr); gap: .4rem; }
.rows, .columns-of { font: .72rem/1 var(--mono); color: var(--soft); }
.rows { display: flex; flex-direction: column; }
.rows span { flex: 1; display: flex; align-items: center; justify-content: flex-end; min-height: 0; white-space: nowrap; max-width: 6rem;
  overflow: hidden; }
.framed .columns { grid-column: 2; display: flex; gap: 0; font: .72rem/1 var(--mono); color: var(--soft); height: 4.2rem; overflow: hidden; }
.framed .columns span { flex: 1; writing-mode: vertical-rl; min-width: 0; display: flex; align-items: center; justify-content: flex-start;
  white-space: nowrap; }
.reading { min-height: 1.6rem; color: var(--soft); margin: .4rem 0; }
.large ul { columns: 2; padding-left: 1.1rem; margin: .4rem 0; }
.next { display: grid; grid-template-columns: minmax(0, 17rem) minmax(0, 1fr); gap: 2.2rem; }
.bars { list-style: none; margin: 0; padding: 0; }
.bars li { display: grid; grid-template-columns: 7.5rem 1fr 4.2rem; gap: .8rem; align-items: center; padding: .14rem 0; font-size: .9rem; }
.bars code { font-family: var(--mono); overflow: hidden; text-overflow: ellipsis; white-space: nowrap; text-align: right; }
.bars .track { position: relative; height: 1.05rem; background: none; }
.bars i { position: absolute; left: 0; top: 0; height: 100%; border-radius: 0 4px 4px 0; background: var(--accent); min-width: 1px;
  transition: width .12s; }
.bars .before { background: var(--line); } .bars .out { color: var(--soft); }
.lens { max-height: 34rem; overflow: auto; }
.lens table { border-collapse: separate; border-spacing: 2px; font: .78rem/1.3 var(--mono); }
.lens th { font-weight: 400; color: var(--soft); padding: .15rem .5rem; white-space: nowrap; text-align: center; position: sticky;
  background: var(--raised); }
.lens thead th { top: 0; z-index: 2; } .lens tbody th { left: 0; z-index: 1; text-align: right; }
.lens td { padding: .18rem .5rem; border-radius: 4px; white-space: nowrap; text-align: center; min-width: 3.4rem; cursor: default;
  background: rgba(var(--heat), calc(.05 + var(--sure, 0) * .55)); }
.lens td.seen { outline: 2px solid var(--accent); }
@media (max-width: 900px) { .heads { grid-template-columns: repeat(auto-fill, minmax(4.4rem, 1fr)); gap: .4rem; }
  .head { padding: .3rem; } .maps, .next { grid-template-columns: minmax(0, 1fr); } .large ul { columns: 1; } }

"""#
private let file4 = #"""
/* What models write. */
.markdown { overflow-wrap: anywhere; }
.markdown > :first-child { margin-top: 0; }
.markdown > :last-child { margin-bottom: 0; }
.markdown p, .markdown ul, .markdown ol, .markdown blockquote, .markdown .wide { margin: .7em 0; }
.markdown h1, .markdown h2, .markdown h3, .markdown h4, .markdown h5, .markdown h6 { margin: 1.3em 0 .5em; }
.markdown h1 { font-size: 1.35em; } .markdown h2 { font-size: 1.2em; } .markdown h3 { font-size: 1.08em; }
.markdown h4, .markdown h5, .markdown h6 { font-size: 1em; }
.markdown ul, .markdown ol { padding-left: 1.6em; }
.markdown li + li { margin-top: .25em; }
.markdown li > p { margin: .4em 0; }
.markdown li > ul, .markdown li > ol { margin: .25em 0; }
.markdown li:has(> input) { list-style: none; margin-left: -1.5em; }
.markdown blockquote { margin-left: 0; padding-left: 1em; border-left: 3px solid var(--line); color: var(--soft); }
.markdown hr { border: 0; border-top: 1px solid var(--line); margin: 1.6em 0; }
.markdown :not(pre) > code { font: .88em var(--mono); background: var(--sunken); padding: .12em .35em; border-radius: 5px; }
.markdown table { border-collapse: collapse; font-size: .94em; }
.markdown th, .markdown td { padding: .4em .9em; border: 1px solid var(--line); text-align: left; }
.markdown th { background: var(--sunken); font-weight: 600; }
.markdown .right { text-align: right; } .markdown .center { text-align: center; }
.markdown math { font-size: 1.1em; font-family: "STIX Two Math", "Cambria Math", "Latin Modern Math", "STIX Math", math; }
.markdown mfrac > * { padding: .12em .1em; }
.markdown math.display { display: block math; margin: .8em 0; overflow-x: auto; overflow-y: hidden; }
.markdown .unknown { color: var(--bad); font-family: var(--mono); }
.markdown .boxed { border: 1px solid currentColor; padding: .2em .4em; }
.markdown mtable.aligned mtd { text-align: left; padding: .3em 0; }
.markdown mtable.aligned mtd:nth-child(odd) { text-align: right; }
.markdown mtable.cases mtd { text-align: left; padding: .2em .5em; }

.code { margin: .9em 0; border: 1px solid var(--line); border-radius: 11px; overflow: hidden; background: var(--sunken); }
.code figcaption { display: flex; align-items: center; justify-content: space-between; padding: .1rem .3rem .1rem .9rem;
  font-size: .8rem; color: var(--soft); border-bottom: 1px solid var(--line); }
.code figcaption button { min-height: 1.9rem; font-size: .8rem; }
pre { margin: 0; font: .86rem/1.6 var(--mono); tab-size: 4; }
.code pre { padding: .8rem .95rem; overflow-x: auto; }
.hl-comment { color: var(--soft); font-style: italic; }
.hl-string { color: #2b7350; } .hl-number { color: #9a5b13; } .hl-word { color: #7a3e9d; } .hl-call { color: #2b5f8f; }
@media (prefers-color-scheme: dark) { :root:not([data-theme="light"]) {
  .hl-string { color: #8fcf9f; } .hl-number { color: #e3b778; } .hl-word { color: #cba6e8; } .hl-call { color: #8dbbe4; }
} }
:root[data-theme="dark"] {
  .hl-string { color: #8fcf9f; } .hl-number { color: #e3b778; } .hl-word { color: #cba6e8; } .hl-call { color: #8dbbe4; }
}

"""#
private let file5 = #"""
.controls { margin: .8rem 0 0; gap: .6rem 1rem; }
.controls input[type="number"] { width: 5.2rem; }
label.short { display: inline-flex; align-items: center; gap: .5rem; color: var(--soft); font-size: .9rem; }
label.check { font-size: .9rem; color: var(--soft); }
.split { display: flex; gap: 2rem; margin-top: 1.3rem; align-items: flex-start; }
.split:not(:has(.token, .notice)) { display: none; }
.split:not(:has(.token)) aside { display: none; }
.output { white-space: pre-wrap; overflow-wrap: anywhere; font-size: 1.06rem; line-height: 2; min-height: 5rem; }
.token { border-radius: 4px; padding: .12em 0; cursor: pointer;
  background: rgb(200 112 46 / calc(var(--doubt, 0) * var(--doubt, 0) * .62)); }
.token.seen { box-shadow: 0 0 0 2px var(--accent); }
/* A line end has no width of its own to point at. */
.token.line::before { content: "↵"; color: var(--soft); }
.given { color: var(--soft); }
.split aside { width: 19rem; flex: none; position: sticky; top: 1rem; }
.split aside h2 { margin-bottom: .5rem; font-size: .9rem; color: var(--soft); font-weight: 500; }
.detail p { margin: 0 0 .5rem; }
code { font-family: var(--mono); font-size: .9em; }
code.big { font-size: 1.15rem; background: var(--sunken); padding: .15em .45em; border-radius: 6px; }
.alternative { display: grid; grid-template-columns: minmax(0, 7rem) 1fr 4rem; width: 100%; text-align: left; border-color: transparent;
  background: none; padding: .1rem .4rem; font-size: .9rem; justify-content: stretch; }
.alternative code { overflow: hidden; text-overflow: ellipsis; }
.alternative[aria-current] { background: var(--accent-soft); }
.track { height: .45rem; border-radius: 1rem; background: var(--sunken); overflow: hidden; }
.track i { display: block; height: 100%; background: var(--accent); border-radius: 1rem; }
.card > textarea { margin-top: .5rem; }
.card > p { margin: -.3rem 0 .4rem; }
#tokenizer .columns { margin-top: 1.2rem; }
#tokenizer .columns h2 { font-size: .98rem; }
#tokenizer .columns p { margin: .1rem 0 .7rem; }
.pieces { display: flex; flex-wrap: wrap; gap: .3rem; }
.piece { display: inline-flex; flex-direction: column; align-items: center; padding: .15rem .4rem; border-radius: 7px; min-width: 1.6rem;
  font-family: var(--mono); font-size: .9rem; line-height: 1.45; }
.piece b { font-weight: 400; white-space: pre-wrap; overflow-wrap: anywhere; } .piece small { color: var(--soft); font-size: .72rem; }
.hue0 { background: rgb(59 130 184 / .17); } .hue1 { background: rgb(200 112 46 / .17); } .hue2 { background: rgb(63 148 99 / .17); }
.hue3 { background: rgb(149 96 184 / .17); } .hue4 { background: rgb(168 138 44 / .19); }
@media (max-width: 800px) {
  .split { flex-direction: column; gap: 1rem; align-items: stretch; }
  .split aside { width: auto; position: sticky; bottom: 0; top: auto; background: var(--raised); border-top: 1px solid var(--line);
    padding: .7rem 0; }
}

"""#
private let file6 = #"""
.runs { display: grid; gap: .2rem; }
.run { display: grid; grid-template-columns: minmax(8rem, 1.4fr) 6rem minmax(5rem, 1fr) 9.5rem 10rem 9.5rem 8.5rem; gap: .4rem 1rem; align-items: center;
  min-height: 2.6rem; }
.run b { font-weight: 600; overflow-wrap: anywhere; }
.state { font-size: .86rem; color: var(--soft); }
.running .state { color: var(--good); }
.running .state::before { content: ""; display: inline-block; width: .5rem; height: .5rem; border-radius: 50%; background: currentColor;
  margin-right: .4rem; animation: pulse 1.6s infinite; }
@keyframes pulse { 50% { opacity: .25; } }
.track { height: .4rem; border-radius: 1rem; background: var(--sunken); overflow: hidden; }
.track i { display: block; height: 100%; }
.run .small { color: var(--soft); white-space: nowrap; }
.run button { min-height: 2rem; font-size: .88rem; }
.controls { gap: .6rem 1.6rem; margin-bottom: 1.1rem; }
label.short { display: inline-flex; align-items: center; gap: .6rem; color: var(--soft); font-size: .9rem; white-space: nowrap; }
label.short input[type="range"] { width: 9rem; }
label.check { font-size: .94rem; } label.check.small { font-size: .87rem; color: var(--soft); margin-bottom: .6rem; }
.charts { display: grid; gap: 1.6rem 2rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); }
.samples { display: grid; gap: 1rem 1.6rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr)); margin-top: .6rem; }
.samples figure { margin: 0; } .samples figcaption { color: var(--soft); } .samples figcaption b { color: var(--ink); font-weight: 600; }
.samples blockquote { margin: .3rem 0 0; padding: .7rem .95rem; background: var(--sunken); border-radius: 10px; white-space: pre-wrap;
  overflow-wrap: anywhere; font-size: .95rem; }
.origin { display: block; font-size: .78rem; color: var(--soft); }
tr.differs td:first-child { color: var(--accent); font-weight: 600; }
table.data td { vertical-align: top; }
@media (max-width: 1100px) {
  .run { grid-template-columns: minmax(0, 1fr) auto; padding: .5rem 0; border-bottom: 1px solid var(--line); }
  .run .track { grid-column: 1 / -1; } .run .number { text-align: left; } .run > span:empty { display: none; }
}

"""#
private let file7 = #"""
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><path fill="#2b5f8f" d="M2 9c6 0 10 2 12.5 5.5C17 9 22 5 30 4c-2 6-5 10-9.5 12.5 1 4-.5 8.5-4.5 11.5l-1-8C9 19 4.5 15 2 9z"/></svg>

"""#
private let file8 = #"""
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Martlet</title>
<link rel="icon" href="/ui/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/ui/css/base.css">
<link rel="stylesheet" href="/ui/css/markdown.css">
<link rel="stylesheet" href="/ui/css/chat.css">
<script type="module" src="/ui/js/chat/main.js"></script>
</head>
<body>
<noscript>Martlet's pages need JavaScript. The API at /v1 does not.</noscript>
</body>
</html>

"""#
private let file9 = #"""
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Martlet</title>
<link rel="icon" href="/ui/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/ui/css/base.css">
<link rel="stylesheet" href="/ui/css/chart.css">
<link rel="stylesheet" href="/ui/css/inspect.css">
<script type="module" src="/ui/js/inspect/main.js"></script>
</head>
<body>
<noscript>Martlet's pages need JavaScript. The API at /v1 does not.</noscript>
</body>
</html>

"""#
private let file10 = #"""
/** Talks to the server this page came from. */
import { EventParser } from "./sse.js";

const keyName = "martlet-key";
export const apiKey = () => sessionStorage.getItem(keyName) ?? "";
/** Kept for this tab only. */
export function setApiKey(key) {
  if (key) sessionStorage.setItem(keyName, key);
  else sessionStorage.removeItem(keyName);
}

/** What the server said, in its own words. */
export class ServerError extends Error {
  constructor(status, message, parameter) {
    super(message);
    this.status = status;
    this.parameter = parameter;
  }
}

async function send(path, body, { signal, method } = {}) {
  const headers = {};
  if (apiKey()) headers.Authorization = "Bearer " + apiKey();
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const response = await fetch(path, {
    method: method ?? (body === undefined ? "GET" : "POST"), headers, signal,
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  if (response.ok) return response;
  let error;
  try { error = (await response.json()).error; } catch { /* not our server's shape */ }
  if (response.status === 401) document.dispatchEvent(new Event("martlet-key-needed"));
  throw new ServerError(response.status, error?.message ?? `HTTP ${response.status}`, error?.param);
}

export const getJSON = async (path, options) => (await send(path, undefined, options)).json();
export const postJSON = async (path, body, options) => (await send(path, body, options)).json();

/** Posts and calls `onEvent` with each JSON event of the stream, until `[DONE]`. */
export async function stream(path, body, { signal, onEvent }) {
  const response = await send(path, { ...body, stream: true }, { signal });
  const reader = response.body.getReader();
  const parser = new EventParser();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    for (const event of parser.push(value)) {
      if (event.data === "[DONE]") return;
      const data = JSON.parse(event.data);
      if (data.error) throw new ServerError(0, data.error.message ?? "error", data.error.param);
      onEvent(data);
    }
  }
}

let known;
/** The models the server has: `[{id, max_model_len, …}]`, asked for once a page. */
export function models() {
  known ??= getJSON("/v1/models").then((answer) => answer.data ?? []);
  known.catch(() => { known = undefined; });
  return known;
}
/** Those that write text; embedding models are told by their `meta`. */
export async function textModels() {
  const all = await models();
  const text = all.filter((model) => model.meta?.type !== "embedding" && !model.capabilities?.includes("embedding"));
  return text.length ? text : all;
}

"""#
private let file11 = #"""
/** Line charts as SVG, with a cross-hair that reads values off. */
import { el, replace } from "./dom.js";
import { significant } from "./i18n.js";

const svgSpace = "http://www.w3.org/2000/svg";
function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(svgSpace, tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== null) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Round numbers that cover low ... high, about `count` of them. */
export function ticks(low, high, count = 5) {
  if (!(high > low)) return [low];
  const rough = (high - low) / count, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((factor) => factor * power >= rough) * power;
  const out = [];
  // Counted, not added up: where the range is finer than numbers are, adding the step changes nothing.
  const first = Math.ceil(low / step);
  for (let index = 0; index <= 2 * count; index++) {
    const value = (first + index) * step;
    if (value > high + step * 1e-9) break;
    out.push(Math.abs(value) < step * 1e-9 ? 0 : Number(value.toPrecision(12)));
  }
  return out;
}

/** The powers of ten in low ... high, with 2 and 5 where they are few. */
export function logTicks(low, high) {
  const out = [];
  const factors = Math.log10(high / low) > 3 ? [1] : Math.log10(high / low) > 1 ? [1, 3] : [1, 2, 3, 5, 7];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
    for (const factor of factors) {
      const value = factor * 10 ** power;
      if (value >= low && value <= high) out.push(Number(value.toPrecision(3)));
    }
  }
  return out.length > 1 ? out : ticks(low, high);
}

/** Few enough points for a screen: of every stretch the smallest and the largest, so that no spike is lost. */
export function thin(points, most = 500) {
  if (points.length <= most) return points;
  const out = [], width = points.length / (most / 2);
  for (let start = 0; start < points.length; start += width) {
    const part = points.slice(Math.floor(start), Math.floor(start + width));
    if (!part.length) continue;
    let low = part[0], high = part[0];
    for (const point of part) {
      if (point[1] < low[1]) low = point;
      if (point[1] > high[1]) high = point;
    }
    out.push(...(low[0] < high[0] ? [low, high] : low === high ? [low] : [high, low]));
  }
  return out;
}

/**
 * @param {HTMLElement} target is filled with the chart
 * @param {{title: string, series: {name: string, colour: string, points: number[][], faint?: boolean, dots?: boolean}[],
 *   log?: boolean, height?: number, xName?: string}} chart
 */
export function lineChart(target, { title, series, log = false, height = 240, xName = "" }) {
  const width = 560, left = 58, right = 22, top = 12, bottom = 30;
  const drawn = series.map((one) => ({
    ...one, points: thin(one.points.filter(([x, y]) => Number.isFinite(x) && Number.isFinite(y) && (!log || y > 0))),
  })).filter((one) => one.points.length);
  const all = drawn.flatMap((one) => one.points);
  if (!all.length) { replace(target, el("figcaption", {}, title), el("p.quiet.small", {}, "–")); return; }
  const range = (index) => all.reduce(([a, b], point) => [Math.min(a, point[index]), Math.max(b, point[index])],
    [Infinity, -Infinity]);
  const [x0, x1] = range(0);
  let [y0, y1] = range(1);
  // What differs by rounding alone is constant.
  if (y1 - y0 <= Math.abs(y1) * 1e-9) { y0 -= Math.abs(y0) * 0.1 || 1; y1 += Math.abs(y1) * 0.1 || 1; }
  const pad = log ? 0 : (y1 - y0) * 0.04;
  [y0, y1] = [log && y0 <= 0 ? 1e-12 : y0 >= 0 ? Math.max(0, y0 - pad) : y0 - pad, y1 + pad];
  const x = (value) => left + ((value - x0) / (x1 - x0 || 1)) * (width - left - right);
  const share = (value) => (log ? Math.log(value / y0) / Math.log(y1 / y0) : (value - y0) / (y1 - y0));
  const y = (value) => height - bottom - share(value) * (height - top - bottom);
  const lines = (log ? logTicks(y0, y1) : ticks(y0, y1, 4)).flatMap((value) => [
    svg("line", { class: "grid", x1: left, x2: width - right, y1: y(value), y2: y(value) }),
    svg("text", { class: "tick", x: left - 7, y: y(value) + 4, "text-anchor": "end" }, significant(value)),
  ]);
  const marks = ticks(x0, x1, 5).map((value) =>
    svg("text", { class: "tick", x: x(value), y: height - 10, "text-anchor": "middle" }, significant(value)));
  const curves = drawn.flatMap((one) => {
    const path = one.points.map(([a, b], index) => `${index ? "L" : "M"}${x(a).toFixed(1)} ${y(b).toFixed(1)}`).join("");
    const curve = svg("path", { d: path, class: one.faint ? "curve faint" : "curve", stroke: one.colour });
    const dots = one.dots || one.points.length === 1
      ? one.points.map(([a, b]) => svg("circle", { cx: x(a), cy: y(b), r: 2.6, fill: one.colour })) : [];
    return [curve, ...dots];
  });
  const hair = svg("line", { class: "hair", y1: top, y2: height - bottom, visibility: "hidden" });
  const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": title }, ...lines, ...marks,
    ...curves, hair);
  const reading = el("span.reading");
  const read = (event) => {
    const box = picture.getBoundingClientRect();
    const at = ((event.clientX - box.left) / box.width) * width;
    if (at < left - 8 || at > width) { leave(); return; }
    const wanted = x0 + ((at - left) / (width - left - right)) * (x1 - x0);
    const parts = drawn.filter((one) => !one.faint).map((one) => {
      const near = one.points.reduce((best, point) => (Math.abs(point[0] - wanted) < Math.abs(best[0] - wanted) ? point : best));
      const dot = el("i.dot");
      dot.style.background = one.colour;
      return el("span", {}, dot, significant(near[1]));
    });
    hair.setAttribute("x1", at);
    hair.setAttribute("x2", at);
    hair.setAttribute("visibility", "visible");
    replace(reading, el("span", {}, `${xName} ${significant(Number(wanted.toPrecision(4)))}`), parts);
  };
  const leave = () => { hair.setAttribute("visibility", "hidden"); replace(reading); };
  picture.addEventListener("pointermove", read);
  picture.addEventListener("pointerleave", leave);
  replace(target, el("figcaption", {}, el("b", {}, title), reading), picture);
}

export const colours = ["#3b82b8", "#c8702e", "#3f9463", "#9560b8", "#c0504d", "#2f9a94", "#a88a2c", "#7a8594"];

"""#
private let file12 = #"""
/** Conversations as files, and preferences as training data. */
import { newConversation, newId, path, requestMessages, titleOf } from "./tree.js";

export const format = "martlet-conversations";

export function toJSON(conversations) {
  return JSON.stringify({ format, version: 1, conversations }, null, 1);
}

/**
 * Conversations of a file that `toJSON` wrote, or of messages in OpenAI's form (`{messages: […]}` or a list of them).
 * They get new ids, so that importing twice keeps both.
 * @throws {Error} saying what is wrong
 */
export function fromJSON(text) {
  let value;
  try { value = JSON.parse(text); } catch { throw new Error("not JSON"); }
  if (value?.format === format && Array.isArray(value.conversations)) return value.conversations.map(checked);
  const lists = Array.isArray(value?.messages) ? [value.messages] : Array.isArray(value) ? [value] : null;
  if (!lists) throw new Error(`expected "format": "${format}" or "messages"`);
  return lists.map(fromMessages);
}

const text = (value) => (typeof value === "string" ? value : "");
const roles = new Set(["user", "assistant", "tool"]);

/** Keeps what is known of a conversation and refuses trees that do not hang together. */
function checked(given) {
  if (typeof given?.nodes !== "object" || given.nodes === null || !Array.isArray(given.roots)) {
    throw new Error("a conversation has no messages");
  }
  const nodes = {};
  const take = (id, parent, depth) => {
    const node = Object.hasOwn(given.nodes, id) ? given.nodes[id] : null;
    if (!node || nodes[id] || depth > 10_000 || !roles.has(node.role)) throw new Error("a message is missing or broken");
    nodes[id] = {
      ...node, id, parent, content: text(node.content), reasoning: text(node.reasoning),
      children: Array.isArray(node.children) ? node.children.map(String) : [],
      toolCalls: Array.isArray(node.toolCalls)
        ? node.toolCalls.map((call) => ({ id: text(call.id), name: text(call.name), arguments: text(call.arguments) }))
        : undefined,
    };
    return nodes[id].children.map((child) => [child, id, depth + 1]);
  };
  const waiting = given.roots.map((id) => [String(id), null, 0]);
  while (waiting.length) waiting.push(...take(...waiting.pop()));
  const roots = given.roots.map(String);
  const leaf = nodes[given.leaf] ? given.leaf : roots.at(-1) ?? null;
  return newConversation({
    title: text(given.title), system: text(given.system), nodes, roots, leaf,
    created: Number(given.created) || Date.now(), updated: Number(given.updated) || Date.now(),
  });
}

function fromMessages(messages) {
  const conversation = newConversation();
  let parent = null;
  for (const message of messages) {
    const content = Array.isArray(message?.content)
      ? message.content.map((part) => text(part?.text)).join("") : text(message?.content);
    if (message?.role === "system" || message?.role === "developer") { conversation.system = content; continue; }
    if (!roles.has(message?.role)) throw new Error(`unknown role "${message?.role}"`);
    const id = newId();
    conversation.nodes[id] = { id, parent, children: [], created: Date.now(), role: message.role, content };
    if (parent) conversation.nodes[parent].children.push(id);
    else conversation.roots.push(id);
    conversation.leaf = parent = id;
  }
  return conversation;
}

/** What is shown, as Markdown that reads well in any editor. */
export function toMarkdown(conversation, names) {
  const parts = [`# ${titleOf(conversation)}`];
  if (conversation.system.trim()) parts.push(`> ${conversation.system.trim().replaceAll("\n", "\n> ")}`);
  for (const node of path(conversation)) {
    parts.push(`**${names[node.role] ?? node.role}**` + (node.model ? ` (${node.model})` : ""));
    if (node.reasoning) parts.push("<details>\n\n" + node.reasoning.trim() + "\n\n</details>");
    parts.push(node.content.trim());
    for (const call of node.toolCalls ?? []) parts.push("```json\n" + JSON.stringify(call, null, 1) + "\n```");
  }
  return parts.join("\n\n") + "\n";
}

/** A vote for one of two answers to the same messages. */
export function preference(conversation, chosen, rejected) {
  return {
    id: newId(), created: Date.now(), prompt: requestMessages(conversation, chosen.parent),
    chosen: [{ role: "assistant", content: chosen.content }], rejected: [{ role: "assistant", content: rejected.content }],
    models: [chosen.model, rejected.model], conversation: conversation.id, nodes: [chosen.id, rejected.id],
  };
}

/** Preference pairs as JSON lines: `{"prompt": […], "chosen": […], "rejected": […]}`, messages each. */
export function preferencesToJSONL(preferences) {
  return preferences.map(({ prompt, chosen, rejected }) => JSON.stringify({ prompt, chosen, rejected }) + "\n").join("");
}

"""#
private let file13 = #"""
/** Streams one answer into a message. */
import { stream } from "../api.js";
import { requestFields, tools } from "./settings.js";
import { requestMessages } from "./tree.js";

/** What stands between `<think>` marks at the beginning belongs to the reasoning, where the server did not split it. */
export function splitReasoning(content) {
  const match = /^\s*<think>([\s\S]*?)(?:<\/think>\s*|$)/.exec(content);
  return match ? { reasoning: match[1].trim(), content: content.slice(match[0].length) } : { reasoning: "", content };
}

/** Adds a piece of a tool call to the calls so far. */
export function addToolPiece(calls, piece) {
  const index = piece.index ?? calls.length;
  calls[index] ??= { id: "", name: "", arguments: "" };
  if (piece.id) calls[index].id = piece.id;
  if (piece.function?.name) calls[index].name += piece.function.name;
  if (piece.function?.arguments) calls[index].arguments += piece.function.arguments;
}

/**
 * Asks `node.model` for what comes after the messages above `node`, and writes it there as it comes.
 * @param {AbortSignal} signal stops it; what has come stays
 * @param {() => void} onPiece after every change
 */
export async function generate(conversation, node, signal, onPiece) {
  const start = performance.now();
  let first, pieces = 0;
  node.pending = true;
  node.error = undefined;
  try {
    const body = {
      model: node.model, messages: requestMessages(conversation, node.parent), stream_options: { include_usage: true },
      ...requestFields(conversation.settings),
    };
    const functions = tools(conversation.settings);
    if (functions) body.tools = functions;
    await stream("/v1/chat/completions", body, { signal, onEvent: (event) => {
      if (event.usage) node.usage = event.usage;
      if (event.timings) node.timings = event.timings;
      const choice = event.choices?.[0];
      if (!choice) return;
      const { content, reasoning_content, reasoning, tool_calls } = choice.delta ?? {};
      const thought = reasoning_content ?? reasoning;
      if (content || thought || tool_calls) {
        first ??= performance.now();
        pieces++;
      }
      if (content) node.content += content;
      if (thought) node.reasoning = (node.reasoning ?? "") + thought;
      for (const piece of tool_calls ?? []) addToolPiece((node.toolCalls ??= []), piece);
      if (choice.finish_reason) node.finish = choice.finish_reason;
      onPiece();
    } });
  } catch (error) {
    if (signal.aborted) node.finish = "stopped";
    else node.error = error.message || String(error);
  }
  node.pending = undefined;
  const seconds = first ? (performance.now() - first) / 1000 : 0;
  const tokens = node.usage?.completion_tokens ?? pieces;
  node.stats = {
    tokens, firstSeconds: first ? (first - start) / 1000 : null,
    perSecond: node.timings?.predicted_per_second ?? (seconds > 0 && tokens > 1 ? (tokens - 1) / seconds : null),
    cached: node.usage?.prompt_tokens_details?.cached_tokens,
  };
  onPiece();
}

"""#
private let file14 = #"""
/** The chat page: what is shown, and what its buttons do. */
import { el, icon, iconButton, replace, toast } from "../dom.js";
import { textModels } from "../api.js";
import { shell } from "../shell.js";
import { number, t } from "../i18n.js";
import { preference } from "./exchange.js";
import { generate } from "./generate.js";
import { messageView } from "./message.js";
import { modelPicker } from "./models.js";
import { settingsPanel } from "./settings.js";
import { sidebar } from "./sidebar.js";
import { put } from "./store.js";
import { addMessage, newConversation, newId, path, remember, removeMessage, show, siblings } from "./tree.js";

const defaultsName = "martlet-chat-defaults";
/** Small models babble at the temperature of 1 that servers use where nobody asks for another. */
const initial = { settings: { temperature: 0.6, min_p: 0.05 }, system: "" };
const defaults = () => JSON.parse(localStorage.getItem(defaultsName) ?? "null") ?? initial;
const begin = () => newConversation(structuredClone(defaults()));

const chat = { conversation: begin(), models: [], running: null, open };
const log = el("div.messages", { role: "log", "aria-label": t("messages") });
const scroller = el("div.scroller", { tabIndex: -1 }, log);
const picker = modelPicker();
const side = sidebar(chat);
const settings = el("aside.drawer", { "aria-label": t("parameters"), hidden: true });
const input = el("textarea", { rows: 1, placeholder: t("ask"), "aria-label": t("ask"), id: "ask" });
const send = el("button.primary.icon", { type: "submit" });
const gauge = el("div.gauge", { role: "meter", "aria-label": t("context") });
const composer = el("form.composer", { onsubmit: submit }, input, el("div.row", {}, picker.element, el("span.grow"), gauge, send));
const main = el("main.talk", { id: "main" }, scroller, composer);
const page = el("div.chat", {}, side.element, main, settings);
const wide = matchMedia("(min-width: 900px)");

// MARK: - Showing

let views = new Map();
function draw() {
  const messages = path(chat.conversation);
  views = new Map();
  const rows = messages.map((node) => {
    const together = node.group
      ? siblings(chat.conversation, node.id).map((id) => chat.conversation.nodes[id]).filter((one) => one.group === node.group)
      : [node];
    const drawn = together.map((one) => {
      const view = messageView(chat.conversation, one, actions, { inGroup: together.length > 1 });
      views.set(one.id, view);
      if (together.length > 1) view.element.classList.toggle("shown", one.id === node.id);
      return view.element;
    });
    return drawn.length > 1 ? el("div.together", {}, drawn) : drawn[0];
  });
  page.classList.toggle("empty", messages.length === 0);
  replace(log, messages.length ? rows : welcome());
  showState();
}

function welcome() {
  const ideas = ["idea.1", "idea.2", "idea.3"].map((name) => el("button", { type: "button", onclick: () => {
    input.value = t(name);
    composer.requestSubmit();
  } }, t(name)));
  return el("div.welcome", {}, el("h1", {}, t("welcome")), el("p.quiet", {}, t("welcome.more")), el("div.ideas", {}, ideas));
}

function showState() {
  const isRunning = chat.running !== null;
  replace(send, icon(isRunning ? "stop" : "send"));
  send.setAttribute("aria-label", t(isRunning ? "stop" : "send"));
  send.title = t(isRunning ? "stop" : "send");
  const last = path(chat.conversation).findLast((node) => node.usage);
  const limit = chat.models.find((model) => model.id === (last?.model ?? picker.chosen[0]))?.max_model_len;
  const used = last?.usage.total_tokens ?? 0;
  gauge.hidden = !limit;
  if (!limit) return;
  gauge.setAttribute("aria-valuenow", used);
  gauge.setAttribute("aria-valuemax", limit);
  gauge.title = t("context.used", { n: number(used), of: number(limit) });
  gauge.classList.toggle("full", used > 0.85 * limit);
  const bar = el("i");
  bar.style.width = Math.min(100, (100 * used) / limit) + "%";
  replace(gauge, el("span.track", {}, bar), el("span", {}, `${number(used)} / ${number(limit)}`));
}

/** Follows the stream unless the reader has scrolled away. */
function follow() {
  if (scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 160) scroller.scrollTop = scroller.scrollHeight;
}

async function keep() {
  remember(chat.conversation);
  await put("conversations", chat.conversation);
  side.refresh();
}

// MARK: - Doing

function open(conversation) {
  chat.running?.abort();
  chat.conversation = conversation ?? begin();
  for (const node of Object.values(chat.conversation.nodes)) node.pending = undefined;
  drawSettings();
  draw();
  side.refresh();
  scroller.scrollTop = scroller.scrollHeight;
  if (!wide.matches) page.classList.remove("with-side");
  if (wide.matches) input.focus();
}

async function submit(event) {
  event.preventDefault();
  if (chat.running) { chat.running.abort(); return; }
  const text = input.value.trim();
  if (!text) return;
  if (!picker.chosen.length) { toast(t("no.model")); return; }
  input.value = "";
  grow();
  const node = addMessage(chat.conversation, chat.conversation.leaf, { role: "user", content: text });
  await answer(node);
}

/** Lets every chosen model (or `models`) answer below `parent`. */
async function answer(parent, models = picker.chosen) {
  const conversation = chat.conversation;
  const group = models.length > 1 ? newId() : undefined;
  const nodes = models.map((model) => addMessage(conversation, parent.id, { role: "assistant", model, group, pending: true }));
  show(conversation, nodes[0].id);
  const abort = new AbortController();
  chat.running = abort;
  draw();
  scroller.scrollTop = scroller.scrollHeight;
  await keep();
  const waiting = new Set();
  const paint = (node) => {
    if (waiting.has(node)) return;
    waiting.add(node);
    requestAnimationFrame(() => {
      waiting.delete(node);
      if (chat.conversation !== conversation) return;
      views.get(node.id)?.update();
      follow();
    });
  };
  await Promise.all(nodes.map((node) => generate(conversation, node, abort.signal, () => paint(node))));
  if (chat.running === abort) chat.running = null;
  conversation.updated = Date.now();
  await put("conversations", conversation);
  if (chat.conversation === conversation) { draw(); follow(); }
  side.refresh();
}

const actions = {
  show(id) { show(chat.conversation, id); draw(); keep(); },
  async edit(node, text) {
    if (chat.running) return;
    const copy = addMessage(chat.conversation, node.parent, { role: node.role, content: text, model: node.model });
    if (node.role === "user") await answer(copy);
    else { draw(); keep(); }
  },
  async again(node) {
    if (chat.running) return;
    const parent = chat.conversation.nodes[node.parent];
    const isThere = chat.models.some((model) => model.id === node.model);
    await answer(parent, [isThere ? node.model : picker.chosen[0]]);
  },
  remove(node) {
    if (chat.running) return;
    removeMessage(chat.conversation, node.id);
    draw();
    keep();
  },
  async vote(node) {
    const group = siblings(chat.conversation, node.id).map((id) => chat.conversation.nodes[id])
      .filter((one) => one.group === node.group);
    for (const other of group) {
      other.vote = other === node ? "chosen" : "rejected";
      if (other === node || !other.content || !node.content) continue;
      // One vote a pair: changing one's mind replaces it.
      const id = [node.id, other.id].sort().join("+");
      await put("preferences", { ...preference(chat.conversation, node, other), id });
    }
    show(chat.conversation, node.id);
    draw();
    toast(t("vote.kept"));
    keep();
  },
  async answerTools(node, results) {
    if (chat.running) return;
    let parent = node;
    node.toolCalls.forEach((call, index) => {
      parent = addMessage(chat.conversation, parent.id, { role: "tool", content: results[index], toolCallId: call.id });
    });
    await answer(parent, [node.model]);
  },
};

function drawSettings() {
  const changed = () => {
    const { settings: values, system } = chat.conversation;
    localStorage.setItem(defaultsName, JSON.stringify({ settings: values, system }));
    if (chat.conversation.leaf) put("conversations", chat.conversation);
  };
  replace(settings, el("header.row", {}, el("h2.grow", {}, t("settings")),
    iconButton("close", t("close"), () => toggleSettings(false))), settingsPanel(chat.conversation, changed));
}

// MARK: - Page

function grow() {
  input.style.height = "auto";
  input.style.height = Math.min(input.scrollHeight + 2, 220) + "px";
}
function toggleSettings(on = settings.hidden) {
  settings.hidden = !on;
  settingsButton.setAttribute("aria-pressed", String(on));
}
const settingsButton = iconButton("sliders", t("settings"), () => toggleSettings(), { "aria-pressed": "false" });
const toggleSide = () => page.classList.toggle("with-side");

input.addEventListener("input", grow);
input.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    if (!chat.running) composer.requestSubmit();
  }
});
document.addEventListener("keydown", (event) => {
  const command = event.ctrlKey || event.metaKey;
  if (event.key === "Escape" && chat.running) chat.running.abort();
  else if (command && event.key === "k") { page.classList.add("with-side"); side.search.focus(); }
  else if (command && event.shiftKey && event.key.toLowerCase() === "o") open(null);
  else if (command && event.key === "b") toggleSide();
  else return;
  event.preventDefault();
});
page.addEventListener("click", (event) => { if (event.target === page) page.classList.remove("with-side"); });

shell("/", { leading: [iconButton("menu", t("history"), toggleSide)], trailing: [settingsButton] });
document.body.append(page);
page.classList.toggle("with-side", wide.matches);
open(null);
textModels().then((models) => {
  chat.models = models;
  picker.fill(models, showState);
  showState();
}, (error) => replace(log, el("p.notice", { role: "alert" }, t("no.server", { why: error.message }))));

"""#
private let file15 = #"""
/** One message of a chat as elements. */
import { copyText, el, iconButton, replace, toast } from "../dom.js";
import { number, t } from "../i18n.js";
import { coloured, renderMarkdown } from "../markdown/render.js";
import { splitReasoning } from "./generate.js";
import { siblings } from "./tree.js";

/**
 * @param {object} actions what the buttons do: show(id), edit(node, text), again(node), remove(node), vote(node),
 *   answerTools(node, results)
 */
export function messageView(conversation, node, actions, { inGroup = false } = {}) {
  const body = el("div.body");
  const foot = el("div.foot");
  const element = el("article", { class: `message ${node.role}`, data: { id: node.id }, "aria-label": t("role." + node.role) },
    node.model && node.role === "assistant" ? el("p.who", {}, node.model) : null, body, foot);
  const update = () => {
    fill(body, conversation, node, actions);
    fillFoot(foot, element, conversation, node, actions, inGroup);
    element.classList.toggle("pending", Boolean(node.pending));
  };
  update();
  return { element, update };
}

function fill(body, conversation, node, actions) {
  if (node.role === "user" || node.role === "tool") {
    replace(body, node.role === "tool" ? el("p.small.quiet", {}, t("tool.result")) : null,
      el("div.plaintext", {}, node.content));
    return;
  }
  const split = node.reasoning ? { reasoning: node.reasoning, content: node.content } : splitReasoning(node.content);
  let thought = body.querySelector(":scope > details.thought");
  if (split.reasoning) {
    if (!thought) {
      thought = el("details.thought", { open: Boolean(node.pending) && !split.content },
        el("summary", {}), el("div.markdown"));
      body.prepend(thought);
    }
    thought.firstChild.textContent = node.pending && !split.content ? t("thinking") : t("thought");
    renderMarkdown(thought.lastChild, split.reasoning);
  }
  let text = body.querySelector(":scope > .markdown");
  if (!text) { text = el("div.markdown"); body.append(text); }
  renderMarkdown(text, split.content);
  body.querySelectorAll(":scope > .tools, :scope > .notice, :scope > .waiting").forEach((part) => part.remove());
  if (node.pending && !node.content && !node.reasoning && !node.toolCalls) {
    body.append(el("span.waiting", { role: "status", "aria-label": t("waiting") }, el("i"), el("i"), el("i")));
  }
  if (node.toolCalls?.length) body.append(toolCards(conversation, node, actions));
  if (node.error) body.append(el("p.notice", { role: "alert" }, node.error));
}

/** What the model wants to call, with a place for what it gave. */
function toolCards(conversation, node, actions) {
  const isAnswered = node.children.some((id) => conversation.nodes[id].role === "tool");
  const results = node.toolCalls.map(() => el("textarea.mono", { rows: 2, placeholder: t("tool.result.hint"),
    "aria-label": t("tool.result") }));
  const cards = node.toolCalls.map((call, index) => el("div.tool", {},
    el("p", {}, el("b.mono", {}, call.name || "…")), el("pre", { tabIndex: 0 }, coloured(pretty(call.arguments), "json")),
    isAnswered || node.pending ? null : results[index]));
  return el("div.tools", {}, cards, isAnswered || node.pending ? null
    : el("button", { type: "button", onclick: () => actions.answerTools(node, results.map((area) => area.value)) },
      t("tool.send")));
}

function pretty(text) {
  try { return JSON.stringify(JSON.parse(text), null, 2); } catch { return text; }
}

function fillFoot(foot, element, conversation, node, actions, inGroup) {
  if (node.pending) { replace(foot); return; }
  const list = siblings(conversation, node.id);
  const at = list.indexOf(node.id);
  const turn = (step) => actions.show(list[at + step]);
  const arrows = list.length > 1 && !inGroup ? el("span.arrows", {},
    iconButton("left", t("sibling.before"), () => turn(-1), { disabled: at === 0 }),
    el("span", { "aria-label": t("sibling.which", { n: at + 1, of: list.length }) }, `${at + 1}/${list.length}`),
    iconButton("right", t("sibling.after"), () => turn(1), { disabled: at === list.length - 1 })) : null;
  const copy = iconButton("copy", t("copy"), async () => toast((await copyText(node.content)) ? t("copied") : t("copy.failed")));
  replace(foot,
    inGroup ? el("button.vote", { type: "button", "aria-pressed": String(node.vote === "chosen"),
      onclick: () => actions.vote(node) }, t(node.vote === "chosen" ? "vote.chosen" : "vote")) : null,
    arrows, copy,
    node.role === "tool" ? null : iconButton("edit", t("edit"), () => edit(element, node, actions)),
    node.role === "assistant" ? iconButton("again", t("again"), () => actions.again(node)) : null,
    iconButton("trash", t("remove"), () => actions.remove(node)),
    node.role === "assistant" ? el("span.stats", {}, stats(node)) : null);
}

function stats(node) {
  const { tokens, perSecond, firstSeconds, cached } = node.stats ?? {};
  const parts = [];
  if (node.finish === "length") parts.push(t("cut.by.length"));
  if (node.finish === "stopped") parts.push(t("stopped"));
  if (tokens) parts.push(t("tokens", { n: number(tokens) }));
  if (perSecond) parts.push(t("per.second", { n: number(perSecond, 1) }));
  if (firstSeconds) parts.push(t("first.after", { n: number(firstSeconds, 2) }));
  if (cached) parts.push(t("cached", { n: number(cached) }));
  return parts.join(" · ");
}

function edit(element, node, actions) {
  const area = el("textarea", { rows: Math.min(12, node.content.split("\n").length + 1), value: node.content,
    "aria-label": t("edit") });
  const done = () => actions.edit(node, area.value);
  area.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { event.stopPropagation(); actions.show(node.id); }
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) done();
  });
  replace(element, el("div.editing", {}, area, el("div.row", {},
    el("button.primary", { type: "button", onclick: done }, t(node.role === "user" ? "edit.send" : "edit.keep")),
    el("button", { type: "button", onclick: () => actions.show(node.id) }, t("cancel")))));
  area.focus();
}

"""#
private let file16 = #"""
/** Which models answer: one, or several side by side. */
import { el, icon, iconButton, replace } from "../dom.js";
import { t } from "../i18n.js";

const name = "martlet-chat-models";
const most = 4;

export function modelPicker() {
  const element = el("div.models");
  const picker = { element, chosen: [], fill };
  let list = [], changed = () => {};

  function fill(models, onchange) {
    list = models;
    changed = onchange;
    const stored = JSON.parse(localStorage.getItem(name) ?? "[]").filter((id) => list.some((model) => model.id === id));
    picker.chosen = stored.length ? stored : list.slice(0, 1).map((model) => model.id);
    draw();
  }

  function set(chosen) {
    picker.chosen = chosen;
    localStorage.setItem(name, JSON.stringify(chosen));
    draw();
    changed();
  }

  function draw() {
    const several = picker.chosen.length > 1;
    replace(element, picker.chosen.map((id, index) => el("span.choice", {},
      choice(id, index), several
        ? iconButton("close", t("compare.less"), () => set(picker.chosen.filter((_, at) => at !== index))) : null)),
    picker.chosen.length && picker.chosen.length < most
      ? el("button.plain", { type: "button", title: t("compare.more"), onclick: () => {
        const other = list.find((model) => !picker.chosen.includes(model.id)) ?? list[0];
        set([...picker.chosen, other.id]);
      } }, icon("columns"), several ? null : el("span.label", {}, t("compare"))) : null);
  }

  function choice(id, index) {
    const select = el("select", { "aria-label": t("model"), onchange: () =>
      set(picker.chosen.map((old, at) => (at === index ? select.value : old))) },
    list.map((model) => el("option", { value: model.id, selected: model.id === id }, model.id)));
    return select;
  }
  return picker;
}

"""#
private let file17 = #"""
/** What a request is sent with: parameters, tools and system prompts. */
import { el, iconButton, replace } from "../dom.js";
import { t } from "../i18n.js";

/** Name, smallest, largest, step, what the server does without it. Empty means: not sent. */
export const parameters = [
  ["temperature", 0, 2, 0.05, 1], ["top_p", 0, 1, 0.01, 1], ["top_k", 0, 200, 1, 0], ["min_p", 0, 1, 0.01, 0],
];

/** The members of a request body that the settings make. */
export function requestFields(settings) {
  const fields = {};
  for (const [name] of parameters) if (Number.isFinite(settings[name])) fields[name] = settings[name];
  if (Number.isFinite(settings.max_tokens)) fields.max_tokens = settings.max_tokens;
  if (Number.isFinite(settings.seed)) fields.seed = settings.seed;
  const stop = (settings.stop ?? "").split("\n").filter(Boolean);
  if (stop.length) fields.stop = stop;
  return fields;
}

/** The tools of a request: a JSON list of functions. @throws {Error} when it is none */
export function tools(settings) {
  if (!settings.tools?.trim()) return undefined;
  const value = JSON.parse(settings.tools);
  if (!Array.isArray(value)) throw new Error("expected a list");
  return value.map((tool) => (tool.type ? tool : { type: "function", function: tool }));
}

const presetsName = "martlet-system-prompts";
const presets = () => JSON.parse(localStorage.getItem(presetsName) ?? "{}");
const keep = (table) => localStorage.setItem(presetsName, JSON.stringify(table));

/**
 * The panel beside a chat. Calls `onChange` after every change of `state.settings` or `state.system`.
 * @param {{settings: object, system: string}} state
 */
export function settingsPanel(state, onChange) {
  const rows = parameters.map(([name, low, high, step, usual]) => slider(state, name, low, high, step, usual, onChange));
  const plain = (name, type, hint) => field(name, el(type === "area" ? "textarea" : "input", {
    type: type === "area" ? undefined : type, rows: type === "area" ? 2 : undefined, min: name === "max_tokens" ? "1" : null,
    value: state.settings[name] ?? "", placeholder: hint, oninput: (event) => {
      const text = event.target.value;
      if (type === "number") state.settings[name] = text === "" ? undefined : Math.trunc(Number(text));
      else state.settings[name] = text || undefined;
      onChange();
    },
  }));
  const toolNote = el("p.small.bad", { role: "alert", hidden: true });
  const toolField = el("textarea.mono", { rows: 3, value: state.settings.tools ?? "", spellcheck: false,
    placeholder: '[{"name": "weather", "parameters": {…}}]', oninput: (event) => {
      state.settings.tools = event.target.value || undefined;
      try { tools(state.settings); toolNote.hidden = true; } catch (error) {
        toolNote.textContent = t("tools.broken", { why: error.message });
        toolNote.hidden = false;
      }
      onChange();
    } });
  return [
    systemPrompt(state, onChange), el("h2", {}, t("parameters")), rows,
    plain("max_tokens", "number", t("to.the.end")), plain("seed", "number", t("random")),
    plain("stop", "area", t("stop.hint")), field("tools", toolField), toolNote,
  ];
}

const field = (name, input) => el("label.field", {}, el("span", {}, t("parameter." + name)), input);

function slider(state, name, low, high, step, usual, onChange) {
  const shown = el("b");
  const input = el("input", { type: "range", min: String(low), max: String(high), step: String(step),
    "aria-label": t("parameter." + name),
    oninput: () => { state.settings[name] = Number(input.value); update(); onChange(); } });
  const reset = iconButton("close", t("reset"), () => {
    state.settings[name] = undefined;
    update();
    onChange();
  });
  const label = el("div.field.slider", { title: t("hint." + name) },
    el("span", {}, t("parameter." + name), el("span.value", {}, shown, reset)), input);
  const update = () => {
    const isSet = Number.isFinite(state.settings[name]);
    input.value = String(isSet ? state.settings[name] : usual);
    shown.textContent = isSet ? String(state.settings[name]) : t("of.the.model");
    label.classList.toggle("changed", isSet);
    reset.hidden = !isSet;
  };
  update();
  return label;
}

function systemPrompt(state, onChange) {
  const area = el("textarea", { rows: 4, value: state.system, placeholder: t("system.hint"), oninput: () => {
    state.system = area.value;
    onChange();
  } });
  const choice = el("select", { "aria-label": t("presets"), onchange: () => {
    if (!(choice.value in presets())) return;
    area.value = state.system = presets()[choice.value];
    onChange();
  } });
  const fill = (selected) => {
    replace(choice, el("option", { value: "" }, t("presets")),
      Object.keys(presets()).map((name) => el("option", { value: name }, name)));
    choice.value = selected ?? "";
  };
  const name = el("input", { type: "text", placeholder: t("preset.name"), "aria-label": t("preset.name") });
  const save = el("button", { type: "button", onclick: () => {
    const chosen = name.value.trim();
    if (!chosen) { name.focus(); return; }
    keep({ ...presets(), [chosen]: area.value });
    fill(chosen);
    name.value = "";
  } }, t("save"));
  const drop = iconButton("trash", t("preset.remove"), () => {
    const { [choice.value]: _, ...rest } = presets();
    keep(rest);
    fill();
  });
  fill();
  return el("section.system", {}, field("system", area), el("div.row.tight", {}, choice, drop),
    el("div.row.tight", {}, el("div.grow", {}, name), save));
}

"""#
private let file18 = #"""
/** The conversations of this browser: search, open, rename, remove, files. */
import { download, el, icon, iconButton, pickFile, replace, toast } from "../dom.js";
import { t } from "../i18n.js";
import { fromJSON, preferencesToJSONL, toJSON, toMarkdown } from "./exchange.js";
import { all, put, remove } from "./store.js";
import { matches, titleOf } from "./tree.js";

const day = 86_400_000;

function group(conversation) {
  const midnight = new Date().setHours(0, 0, 0, 0);
  if (conversation.updated >= midnight) return "today";
  if (conversation.updated >= midnight - day) return "yesterday";
  return conversation.updated >= midnight - 7 * day ? "week" : "older";
}

/**
 * @param {object} chat what stands beside it: conversation, open(conversation or null)
 * @returns {{element: HTMLElement, refresh: () => Promise<void>, search: HTMLInputElement}}
 */
export function sidebar(chat) {
  const search = el("input", { type: "search", placeholder: t("search"), "aria-label": t("search"), oninput: () => refresh() });
  const list = el("nav.history", { "aria-label": t("history") });
  const votes = el("button.plain", { type: "button", hidden: true, onclick: exportVotes });
  const element = el("aside.side", { "aria-label": t("history") },
    el("div.row", {}, el("button.new.grow", { type: "button", onclick: () => chat.open(null) }, icon("plus"), t("new.chat"))),
    search, list,
    el("footer", {}, votes,
      el("div.row.tight", {},
        el("button.plain", { type: "button", onclick: exportShown }, icon("save"), "Markdown"),
        el("button.plain", { type: "button", onclick: exportAll }, icon("save"), "JSON"),
        el("button.plain", { type: "button", onclick: importFile }, icon("open"), t("import")))));

  async function refresh() {
    const words = search.value.trim();
    const conversations = (await all("conversations")).filter((one) => !words || matches(one, words))
      .sort((a, b) => b.updated - a.updated);
    const rows = [];
    let last;
    for (const conversation of conversations) {
      if (group(conversation) !== last) rows.push(el("h3", {}, t("when." + (last = group(conversation)))));
      rows.push(row(conversation));
    }
    replace(list, rows.length ? rows : el("p.small.quiet", {}, t(words ? "nothing.found" : "no.history")));
    const count = (await all("preferences")).length;
    votes.textContent = t("votes.export", { n: count });
    votes.hidden = count === 0;
  }

  function row(conversation) {
    const isOpen = conversation.id === chat.conversation.id;
    const button = el("button.plain.title", { type: "button", "aria-current": isOpen ? "true" : null,
      onclick: () => chat.open(conversation), ondblclick: () => rename(line, conversation) }, titleOf(conversation) || t("untitled"));
    const line = el("div.entry", {}, button,
      iconButton("edit", t("rename"), () => rename(line, conversation)),
      iconButton("trash", t("remove"), async () => {
        if (!confirm(t("remove.sure", { title: titleOf(conversation) }))) return;
        await remove("conversations", conversation.id);
        if (isOpen) chat.open(null);
        else refresh();
      }));
    return line;
  }

  function rename(line, conversation) {
    const field = el("input", { type: "text", value: titleOf(conversation), "aria-label": t("rename") });
    let isDone = false;
    const finish = async (keep) => {
      if (isDone) return;
      isDone = true;
      if (keep) {
        conversation.title = field.value.trim();
        if (conversation.id === chat.conversation.id) chat.conversation.title = conversation.title;
        await put("conversations", conversation);
      }
      refresh();
    };
    field.addEventListener("keydown", (event) => {
      if (event.key === "Enter") finish(true);
      if (event.key === "Escape") finish(false);
    });
    field.addEventListener("blur", () => finish(true));
    replace(line, field);
    field.select();
  }

  const fileName = (text) => text.replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "").slice(0, 40) || "chat";
  function exportShown() {
    const names = { user: t("role.user"), assistant: t("role.assistant"), tool: t("role.tool") };
    download(fileName(titleOf(chat.conversation)) + ".md", toMarkdown(chat.conversation, names), "text/markdown");
  }
  async function exportAll() {
    download("martlet-chats.json", toJSON(await all("conversations")), "application/json");
  }
  async function exportVotes() {
    const preferences = (await all("preferences")).sort((a, b) => a.created - b.created);
    download("preferences.jsonl", preferencesToJSONL(preferences), "application/jsonl");
  }
  async function importFile() {
    const text = await pickFile(".json,application/json");
    if (text === null) return;
    try {
      const conversations = fromJSON(text);
      for (const conversation of conversations) await put("conversations", conversation);
      toast(t("imported", { n: conversations.length }));
      if (conversations.length) chat.open(conversations[0]);
    } catch (error) {
      toast(t("import.failed", { why: error.message }));
    }
  }
  return { element, refresh, search };
}

"""#
private let file19 = #"""
/** Conversations and votes, kept in this browser (IndexedDB); in memory where it has none to give. */

const open = new Promise((resolve) => {
  let request;
  try { request = indexedDB.open("martlet", 1); } catch { resolve(null); return; }
  request.onupgradeneeded = () => {
    request.result.createObjectStore("conversations", { keyPath: "id" });
    request.result.createObjectStore("preferences", { keyPath: "id" });
  };
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => resolve(null);
});
const memory = { conversations: new Map(), preferences: new Map() };

async function transact(store, mode, action) {
  const database = await open;
  if (!database) return undefined;
  return new Promise((resolve, reject) => {
    const transaction = database.transaction(store, mode);
    const request = action(transaction.objectStore(store));
    transaction.oncomplete = () => resolve(request.result);
    transaction.onerror = () => reject(transaction.error);
  });
}

export async function all(store) {
  return (await transact(store, "readonly", (table) => table.getAll())) ?? [...memory[store].values()];
}
export async function put(store, value) {
  memory[store].set(value.id, value);
  await transact(store, "readwrite", (table) => table.put(value));
}
export async function remove(store, id) {
  memory[store].delete(id);
  await transact(store, "readwrite", (table) => table.delete(id));
}

"""#
private let file20 = #"""
/** A conversation as a tree of messages: every answer and every edit is kept, one way through it is shown. */

export const newId = () => crypto.randomUUID?.() ?? Date.now().toString(36) + Math.random().toString(36).slice(2, 10);

export function newConversation(more = {}) {
  const now = Date.now();
  return { id: newId(), title: "", created: now, updated: now, system: "", settings: {}, nodes: {}, roots: [], leaf: null,
    ...more };
}

/** Adds a message below `parent` (null: at the top) and makes it the end of what is shown. */
export function addMessage(conversation, parent, message) {
  const node = { id: newId(), parent, children: [], created: Date.now(), content: "", ...message };
  conversation.nodes[node.id] = node;
  siblingsBelow(conversation, parent).push(node.id);
  conversation.leaf = node.id;
  conversation.updated = Date.now();
  return node;
}

const siblingsBelow = (conversation, parent) =>
  parent === null ? conversation.roots : conversation.nodes[parent].children;

export const siblings = (conversation, id) => siblingsBelow(conversation, conversation.nodes[id].parent);

/** The messages from the top to `leaf`. */
export function path(conversation, leaf = conversation.leaf) {
  const out = [];
  for (let id = leaf; id; id = conversation.nodes[id]?.parent) {
    if (!conversation.nodes[id]) break;
    out.unshift(conversation.nodes[id]);
  }
  return out;
}

/** Shows the way through `id`, down to the end that was looked at last, or the newest. */
export function show(conversation, id) {
  let node = conversation.nodes[id];
  while (node.children.length) {
    const next = node.children.includes(node.shown) ? node.shown : node.children.at(-1);
    node = conversation.nodes[next];
  }
  conversation.leaf = node.id;
  remember(conversation);
}

/** Notes at every fork which way is shown, so that coming back to a branch finds its end. */
export function remember(conversation) {
  for (const node of path(conversation)) {
    if (node.parent) conversation.nodes[node.parent].shown = node.id;
  }
}

/** Removes a message and all below it. */
export function removeMessage(conversation, id) {
  const node = conversation.nodes[id], list = siblings(conversation, id), at = list.indexOf(id);
  const isShown = path(conversation).some((other) => other.id === id);
  list.splice(at, 1);
  const doomed = [id];
  while (doomed.length) {
    const next = conversation.nodes[doomed.pop()];
    doomed.push(...next.children);
    delete conversation.nodes[next.id];
  }
  if (!isShown) return;
  if (list.length) show(conversation, list[Math.min(at, list.length - 1)]);
  else conversation.leaf = node.parent;
}

/** What the server is asked with: the messages up to and with `leaf`, the system prompt before them. */
export function requestMessages(conversation, leaf = conversation.leaf) {
  const messages = path(conversation, leaf).filter((node) => !node.error || node.content).map(requestMessage);
  return conversation.system.trim() ? [{ role: "system", content: conversation.system }, ...messages] : messages;
}

function requestMessage(node) {
  const message = { role: node.role, content: node.content };
  if (node.toolCalls?.length) {
    message.tool_calls = node.toolCalls.map((call) => ({
      id: call.id, type: "function", function: { name: call.name, arguments: call.arguments },
    }));
    message.content = node.content || null;
  }
  if (node.role === "tool") message.tool_call_id = node.toolCallId;
  return message;
}

export function titleOf(conversation) {
  if (conversation.title) return conversation.title;
  const first = path(conversation).find((node) => node.role === "user");
  return first ? first.content.trim().split("\n")[0].slice(0, 60) : "";
}

/** Whether any message on any branch has all the words. */
export function matches(conversation, words) {
  const all = words.toLowerCase().split(/\s+/).filter(Boolean);
  const text = (titleOf(conversation) + "\n" + Object.values(conversation.nodes).map((node) => node.content).join("\n"))
    .toLowerCase();
  return all.every((word) => text.includes(word));
}

"""#
private let file21 = #"""
/** Builds elements. Text always goes through text nodes, never through markup. */

/**
 * @param {string} tag "div" or "div.class.other"
 * @param {object} properties `on…` are listeners, `class`, `data`, `style` (an object), `aria-…` and other attributes;
 *   what the element knows as a property (value, disabled, …) is set as one. Null and false leave an attribute out.
 * @param {...(Node|string|null|Array)} children
 */
export function el(tag, properties = {}, ...children) {
  const [name, ...classes] = tag.split(".");
  const element = document.createElement(name);
  if (classes.length) element.className = classes.join(" ");
  for (const [key, value] of Object.entries(properties ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key === "class") element.className += " " + value;
    else if (key === "data") Object.assign(element.dataset, value);
    else if (key === "style") Object.assign(element.style, value);
    else if (key in element && !key.includes("-") && key !== "list" && key !== "role") element[key] = value;
    else element.setAttribute(key, value === true ? "" : value);
  }
  append(element, children);
  return element;
}

export function append(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child.nodeType ? child : document.createTextNode(String(child)));
  }
}

export function replace(element, ...children) {
  element.replaceChildren();
  append(element, children);
  return element;
}

const drawings = {
  menu: "M4 7h16M4 12h16M4 17h16", plus: "M12 5v14M5 12h14", send: "M12 19V5M6 11l6-6 6 6",
  stop: "M7 7h10v10H7z", copy: "M9 9h10v10H9zM5 15V5h10", edit: "M4 20h4L19 9l-4-4L4 16z",
  again: "M20 11a8 8 0 1 0-2.3 6M20 5v6h-6", left: "M14 6l-6 6 6 6", right: "M10 6l6 6-6 6", close: "M6 6l12 12M18 6L6 18",
  trash: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13", sliders: "M4 7h10M18 7h2M4 17h2M10 17h10M14 5v4M8 15v4",
  key: "M8 11.5a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7M10.5 12.5L19 4M15.5 7.5l3 3", sun: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8M12 3v1M12 20v1M3 12h1M20 12h1M5.6 5.6l.8.8M17.6 17.6l.8.8M18.4 5.6l-.8.8M6.4 17.6l-.8.8",
  moon: "M19 14.5A7.5 7.5 0 0 1 9.5 5a7.5 7.5 0 1 0 9.5 9.5z", save: "M12 4v11M7 11l5 5 5-5M5 20h14",
  open: "M12 16V5M7 9l5-5 5 5M5 20h14", up: "M8 11v9M8 11l4-7c2 0 2.5 1.5 2 4l-.5 2H19l-1.5 9H8M4 11h4v9H4z",
  columns: "M4 5h7v14H4zM13 5h7v14h-7z", pause: "M8 6v12M16 6v12", down: "M6 10l6 6 6-6",
};

/** A line drawing of 24 by 24. */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", drawings[name] ?? "");
  svg.append(path);
  return svg;
}

/** A button that shows a drawing only; what it does is its label. */
export function iconButton(name, label, onclick, more = {}) {
  return el("button.icon.plain", { type: "button", "aria-label": label, title: label, onclick, ...more }, icon(name));
}

export function toast(text) {
  document.querySelector(".toast")?.remove();
  const note = el("div.toast", { role: "status" }, text);
  document.body.append(note);
  setTimeout(() => note.remove(), 3200);
}

/** Hands a file to the person. */
export function download(name, text, type) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = el("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

/** Asks for a file and reads it as text; null when none is chosen. */
export function pickFile(accept) {
  return new Promise((resolve) => {
    const input = el("input", { type: "file", accept });
    input.addEventListener("change", async () => resolve(input.files[0] ? await input.files[0].text() : null));
    input.addEventListener("cancel", () => resolve(null));
    input.click();
  });
}

export async function copyText(text) {
  if (navigator.clipboard) {
    try { await navigator.clipboard.writeText(text); return true; } catch { /* not allowed: try the old way */ }
  }
  const area = el("textarea", { value: text, style: { position: "fixed", opacity: "0" } });
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}

"""#
private let file22 = #"""
/** English. `{name}` is filled in. */
export const en = {
  "nav": "Pages", "nav.chat": "Chat", "nav.playground": "Playground", "nav.inspect": "Inspect", "nav.runs": "Runs",
  "skip": "Skip to the content", "theme": "Light or dark", "model": "Model", "cancel": "Cancel",
  "save": "Save", "close": "Close", "copy": "Copy", "copied": "Copied", "copy.failed": "Could not copy", "code": "code",
  "edit": "Edit", "remove": "Remove", "again": "Answer again", "stop": "Stop", "send": "Send", "reset": "Reset",
  "key.title": "API key", "key.hint": "Kept in this tab only, until it is closed.",
  "no.server": "The server does not answer: {why}", "no.model": "The server has no model to talk to.",
  "error": "That did not work: {why}",

  "ask": "Ask something", "messages": "Conversation", "welcome": "What shall we talk about?",
  "welcome.more": "The model runs on this machine. What you write stays here.",
  "idea.1": "Explain how rainbows form", "idea.2": "Write a haiku about swallows", "idea.3": "Compare tea and coffee in a table",
  "role.user": "You", "role.assistant": "Model", "role.tool": "Tool", "waiting": "The model is reading",
  "thinking": "Thinking …", "thought": "Reasoning", "stopped": "stopped", "cut.by.length": "cut at the longest length",
  "tokens": "{n} tokens", "per.second": "{n} tokens/s", "first.after": "first after {n} s", "cached": "{n} from the cache",
  "sibling.before": "Answer before", "sibling.after": "Answer after", "sibling.which": "{n} of {of}",
  "edit.send": "Send as a new branch", "edit.keep": "Keep as a new branch",
  "context": "Context in use", "context.used": "{n} of {of} tokens of context in use",
  "compare": "Compare", "compare.more": "Let one more model answer, side by side", "compare.less": "Take this model away",
  "vote": "Prefer this", "vote.chosen": "Preferred", "vote.kept": "Kept as a preference pair",
  "votes.export": "Preference pairs ({n}) as JSONL",
  "tool.result": "What the tool gives back", "tool.result.hint": "Result", "tool.send": "Send the results",
  "tools.broken": "Not a list of functions in JSON: {why}",

  "history": "Conversations", "new.chat": "New chat", "search": "Search", "untitled": "New chat", "rename": "Rename",
  "no.history": "Conversations are kept in this browser.", "nothing.found": "Nothing found.",
  "when.today": "Today", "when.yesterday": "Yesterday", "when.week": "Last seven days", "when.older": "Earlier",
  "remove.sure": "Remove “{title}”?", "import": "Import", "imported": "{n} conversations imported",
  "import.failed": "Cannot import: {why}",

  "settings": "Settings", "parameters": "Parameters", "of.the.model": "model's own", "to.the.end": "to the end of the context",
  "random": "random", "stop.hint": "one a line", "system.hint": "How the model should behave", "presets": "Saved prompts",
  "preset.name": "Name to save it under", "preset.remove": "Remove this saved prompt",
  "parameter.system": "System prompt", "parameter.temperature": "Temperature", "parameter.top_p": "Top-p",
  "parameter.top_k": "Top-k", "parameter.min_p": "Min-p", "parameter.max_tokens": "Most tokens", "parameter.seed": "Seed",
  "parameter.stop": "Stop at", "parameter.tools": "Tools", "hint.temperature": "0 always takes the likeliest token",
  "hint.top_p": "Only the likeliest tokens that make up this share", "hint.top_k": "Only this many tokens; 0 for all",
  "hint.min_p": "Only tokens with at least this share of the best one's probability",

  "playground.title": "Playground", "playground.more":
    "Let the model go on with a text. Colour shows how sure it was of each token; point at one to see what else it thought of.",
  "prompt": "Text to go on with", "prompt.example": "The swallow is a small bird that", "continue": "Continue",
  "result": "Result", "alternatives": "Alternatives",
  "prompt.too": "Probabilities of the prompt too", "mean.probability": "Perplexity {n} over {tokens} tokens",
  "tokenizer.title": "Tokenizer", "tokenizer.more": "How a text is cut into tokens; a second model shows the difference.",
  "tokenizer.text": "Text", "tokenizer.example": "Martlets never land. 燕子从不落地。 1234567 tokens!", "none": "none",
  "second": "Compare with", "counts": "{tokens} tokens, {bytes} bytes, {ratio} bytes a token", "show.ids": "Ids",
  "show.bytes": "Bytes", "special.add": "Add special tokens", "less.tokens": "{n} % fewer tokens than {other}",

  "inspect.title": "Inside the model", "inspect.more":
    "What happens while the model reads a short text: where its heads look, and what each layer would say next.",
  "inspect.text": "Text", "inspect.example": "When Mary and John went to the store, John gave a drink to", "look": "Look inside",
  "attention": "Attention", "layer": "Layer", "head": "Head",
  "attention.hint": "Rows are the tokens that look, columns those looked at. Choose a head to enlarge it.",
  "head.off": "Switch this head off", "head.on": "Switch it on again", "heads.off": "Switched off", "all.on": "All on again",
  "one.head": "Layer {layer}, head {head}", "looks.at": "{from} looks at {to}: {share}",
  "as.text": "As text", "lens": "Logit lens", "lens.hint":
    "If the model stopped at this layer, the token it would predict after each position. Darker is surer.",
  "norms": "Residual norms", "norms.hint": "Length of the vector that every position carries, layer by layer.",
  "embedding": "embedding", "next": "Next token", "next.hint": "What comes after the last token, as the sampler sees it.",
  "kept": "{n} tokens kept", "changed.from": "With all heads: {token} {share}",

  "runs.title": "Training runs", "runs.more": "The run folders of this server, as they are written.",
  "runs.none": "No run folders. Start the server with --runs FOLDER.", "run": "Run", "step": "Step", "loss": "Training loss",
  "validation": "Held-out loss", "learning_rate": "Learning rate", "gradient_norm": "Gradient norm",
  "tokens_per_second": "Tokens per second", "reward": "Reward",
  "memory": "Memory", "running": "running", "finished": "finished", "paused": "not running", "stopping": "stopping",
  "run.stop": "Stop this run", "run.stop.sure": "Stop {name} after its next step? It saves a checkpoint and can go on later.",
  "run.stop.asked": "{name} stops after its next step.", "smoothing": "Smoothing", "axis": "Along", "axis.step": "steps",
  "axis.time": "minutes", "axis.tokens": "tokens", "log.scale": "Logarithmic", "curves": "Curves", "samples": "Samples",
  "samples.at": "Step {n}, held-out loss {loss}", "configuration": "Configuration", "only.differences": "Only differences",
  "no.differences": "These runs have the same configuration.", "option": "Option", "scores": "Scores", "task": "Task", "accuracy": "Right",
  "progress": "{n} of {of} steps",
  "choose.runs": "Choose the runs to show", "no.data": "Nothing yet.",
};

"""#
private let file23 = #"""
/** 简体中文。`{name}` 处填入数值。 */
export const zh = {
  "nav": "页面", "nav.chat": "对话", "nav.playground": "试验场", "nav.inspect": "透视", "nav.runs": "训练",
  "skip": "跳到正文", "theme": "浅色或深色", "model": "模型", "cancel": "取消",
  "save": "保存", "close": "关闭", "copy": "复制", "copied": "已复制", "copy.failed": "复制失败", "code": "代码",
  "edit": "编辑", "remove": "删除", "again": "重新回答", "stop": "停止", "send": "发送", "reset": "恢复默认",
  "key.title": "API 密钥", "key.hint": "只保存在此标签页中，关闭后即清除。",
  "no.server": "服务器没有响应：{why}", "no.model": "服务器上没有可以对话的模型。",
  "error": "出错了：{why}",

  "ask": "问点什么", "messages": "对话内容", "welcome": "今天聊些什么？",
  "welcome.more": "模型就在这台机器上运行，您写的内容不会离开这里。",
  "idea.1": "解释彩虹是怎样形成的", "idea.2": "写一首关于燕子的俳句", "idea.3": "用表格比较茶和咖啡",
  "role.user": "您", "role.assistant": "模型", "role.tool": "工具", "waiting": "模型正在阅读",
  "thinking": "思考中……", "thought": "思考过程", "stopped": "已停止", "cut.by.length": "达到最大长度而截断",
  "tokens": "{n} 个词元", "per.second": "每秒 {n} 个词元", "first.after": "{n} 秒后开始", "cached": "{n} 个来自缓存",
  "sibling.before": "上一个版本", "sibling.after": "下一个版本", "sibling.which": "第 {n} 个，共 {of} 个",
  "edit.send": "作为新分支发送", "edit.keep": "保存为新分支",
  "context": "已用上下文", "context.used": "上下文已用 {n} 个词元，共 {of} 个",
  "compare": "对比", "compare.more": "再加一个模型并排回答", "compare.less": "移除这个模型",
  "vote": "更喜欢这个", "vote.chosen": "已选为更好", "vote.kept": "已存为一组偏好数据",
  "votes.export": "导出偏好数据（{n} 组，JSONL）",
  "tool.result": "工具返回的结果", "tool.result.hint": "结果", "tool.send": "发送结果",
  "tools.broken": "不是 JSON 格式的函数列表：{why}",

  "history": "历史对话", "new.chat": "新对话", "search": "搜索", "untitled": "新对话", "rename": "重命名",
  "no.history": "对话保存在这个浏览器里。", "nothing.found": "没有找到。",
  "when.today": "今天", "when.yesterday": "昨天", "when.week": "最近七天", "when.older": "更早",
  "remove.sure": "删除“{title}”？", "import": "导入", "imported": "已导入 {n} 个对话",
  "import.failed": "无法导入：{why}",

  "settings": "设置", "parameters": "参数", "of.the.model": "模型默认", "to.the.end": "直到上下文用完",
  "random": "随机", "stop.hint": "每行一个", "system.hint": "希望模型怎样回答", "presets": "已保存的提示",
  "preset.name": "保存时的名称", "preset.remove": "删除这条提示",
  "parameter.system": "系统提示", "parameter.temperature": "温度", "parameter.top_p": "Top-p",
  "parameter.top_k": "Top-k", "parameter.min_p": "Min-p", "parameter.max_tokens": "最多词元", "parameter.seed": "随机种子",
  "parameter.stop": "停止词", "parameter.tools": "工具", "hint.temperature": "0 表示总取最可能的词元",
  "hint.top_p": "只保留合计达到这个概率的最可能词元", "hint.top_k": "只保留这么多个词元，0 表示全部",
  "hint.min_p": "只保留概率不低于最佳词元这一比例的词元",

  "playground.title": "试验场", "playground.more":
    "让模型续写一段文字。颜色表示它对每个词元有多大把握；指向一个词元，可以看到它还考虑过什么。",
  "prompt": "要续写的文字", "prompt.example": "The swallow is a small bird that", "continue": "续写",
  "result": "结果", "alternatives": "其他可能", "prompt.too": "也显示原文的概率",
  "mean.probability": "{tokens} 个词元的困惑度为 {n}",
  "tokenizer.title": "分词器", "tokenizer.more": "一段文字如何切成词元；选择第二个模型可以看到差别。",
  "tokenizer.text": "文字", "tokenizer.example": "Martlets never land. 燕子从不落地。 1234567 tokens!", "none": "无",
  "second": "对比", "counts": "{tokens} 个词元，{bytes} 字节，每个词元 {ratio} 字节", "show.ids": "编号",
  "show.bytes": "字节", "special.add": "添加特殊词元", "less.tokens": "比 {other} 少 {n} %",

  "inspect.title": "模型内部", "inspect.more": "模型读一段短文时发生的事：每个注意力头在看哪里，每一层接下来想说什么。",
  "inspect.text": "文字", "inspect.example": "When Mary and John went to the store, John gave a drink to", "look": "看看内部",
  "attention": "注意力", "layer": "层", "head": "头",
  "attention.hint": "行是正在看的词元，列是被看的词元。选一个头放大。",
  "head.off": "关闭这个头", "head.on": "重新打开", "heads.off": "已关闭", "all.on": "全部打开",
  "one.head": "第 {layer} 层，第 {head} 头", "looks.at": "{from} 看 {to}：{share}",
  "as.text": "文字形式", "lens": "逐层预测", "lens.hint": "如果模型在这一层停下，它会在每个位置之后预测的词元。颜色越深越确定。",
  "norms": "残差长度", "norms.hint": "每个位置携带的向量逐层的长度。",
  "embedding": "嵌入", "next": "下一个词元", "next.hint": "最后一个词元之后会是什么，正如采样器所见。",
  "kept": "保留 {n} 个词元", "changed.from": "所有头都打开时：{token} {share}",

  "runs.title": "训练", "runs.more": "这台服务器上的训练目录，边写边看。",
  "runs.none": "没有训练目录。启动服务器时请加上 --runs 目录。", "run": "训练", "step": "步", "loss": "训练损失",
  "validation": "验证损失", "learning_rate": "学习率", "gradient_norm": "梯度范数",
  "tokens_per_second": "每秒词元", "reward": "奖励",
  "memory": "内存", "running": "进行中", "finished": "已完成", "paused": "未运行", "stopping": "正在停止",
  "run.stop": "停止训练", "run.stop.sure": "让 {name} 在下一步之后停止？它会保存检查点，以后可以继续。",
  "run.stop.asked": "{name} 将在下一步之后停止。", "smoothing": "平滑", "axis": "横轴", "axis.step": "步数",
  "axis.time": "分钟", "axis.tokens": "词元", "log.scale": "对数坐标", "curves": "曲线", "samples": "样例",
  "samples.at": "第 {n} 步，验证损失 {loss}", "configuration": "配置", "only.differences": "只看不同之处",
  "no.differences": "这些训练的配置相同。", "option": "选项", "scores": "成绩", "task": "任务", "accuracy": "正确率",
  "progress": "{n} / {of} 步", "choose.runs": "选择要显示的训练", "no.data": "还没有数据。",
};

"""#
private let file24 = #"""
/** Texts of the pages in the language of the reader. */
import { en } from "./i18n/en.js";
import { zh } from "./i18n/zh.js";

export const tables = { en, zh };
const stored = globalThis.localStorage?.getItem("martlet-language");
const preferred = (globalThis.navigator?.languages ?? ["en"]).find((tag) => /^(zh|en)/.test(tag)) ?? "en";
export const language = stored ?? (preferred.startsWith("zh") ? "zh" : "en");

/** The text called `key`; `{name}` in it becomes `values.name`. */
export function t(key, values = {}) {
  const text = tables[language]?.[key] ?? en[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (all, name) => (name in values ? String(values[name]) : all));
}

export function setLanguage(tag) {
  localStorage.setItem("martlet-language", tag);
  location.reload();
}

const locale = language === "zh" ? "zh-CN" : "en";
export const number = (value, digits = 0) =>
  value === null || value === undefined || !Number.isFinite(value) ? "–"
    : value.toLocaleString(locale, { minimumFractionDigits: digits, maximumFractionDigits: digits });
/** Four significant digits, in powers of ten where it is very small or large. */
export const significant = (value) =>
  value === null || value === undefined || !Number.isFinite(value) ? "–"
    : value !== 0 && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e6) ? value.toExponential(2)
    : String(Number(value.toPrecision(4)));
export const percent = (share, digits = 1) => number(share * 100, digits) + " %";
export const date = (milliseconds) =>
  new Date(milliseconds).toLocaleString(locale, { dateStyle: "medium", timeStyle: "short" });

"""#
private let file25 = #"""
/** Attention of a layer: a small map a head, and one of them large with its tokens. */
import { el, replace } from "../dom.js";
import { percent, t } from "../i18n.js";
import { visible } from "../playground/tokens.js";
import { attentionOf } from "./data.js";

function paint(canvas, weight, tokens, size) {
  const ratio = Math.min(3, devicePixelRatio || 1);
  const cell = Math.max(1, Math.floor((size * ratio) / tokens));
  canvas.width = canvas.height = cell * tokens;
  const context = canvas.getContext("2d");
  const colour = getComputedStyle(document.documentElement).getPropertyValue("--heat").trim();
  for (let row = 0; row < tokens; row++) {
    for (let column = 0; column <= row; column++) {
      const value = weight(row, column);
      // The square root lets faint attention be seen.
      context.fillStyle = `rgba(${colour}, ${0.04 + 0.96 * Math.sqrt(value)})`;
      context.fillRect(column * cell, row * cell, cell, cell);
    }
  }
}

/**
 * @param {() => {answer: object, off: Set<string>}} state what is shown and which heads ("layer,head") are off
 * @param {(layer: number, head: number) => void} toggle switches a head off or on
 */
export function attentionCard(state, toggle) {
  let layer = 0, head = 0;
  const slider = el("input", { type: "range", min: "0", value: "0", "aria-label": t("layer"), oninput: () => {
    layer = Number(slider.value);
    draw();
  } });
  const name = el("b.number");
  const heads = el("div.heads", { role: "group", "aria-label": t("head") });
  const large = el("div.large");
  const element = el("section.card", {}, el("h2", {}, t("attention")), el("p.quiet.small", {}, t("attention.hint")),
    el("label.row.layer", {}, el("span", {}, t("layer")), el("span.grow", {}, slider), name), el("div.maps", {}, heads, large));

  function draw() {
    const { answer, off } = state();
    if (!answer) return;
    slider.max = String(answer.layers - 1);
    layer = Math.min(layer, answer.layers - 1);
    head = Math.min(head, answer.heads - 1);
    name.textContent = `${layer + 1} / ${answer.layers}`;
    const count = answer.tokens.length, weights = attentionOf(answer.attention[layer], count);
    replace(heads, Array.from({ length: answer.heads }, (_, index) => {
      const canvas = el("canvas");
      paint(canvas, (row, column) => weights(index, row, column), count, 72);
      return el("button.head", { type: "button", "aria-pressed": String(index === head), title: t("one.head", { layer: layer + 1, head: index + 1 }),
        class: off.has(`${layer},${index}`) ? "off" : "", onclick: () => { head = index; draw(); } }, canvas, el("span", {}, index + 1));
    }));
    drawLarge(answer, off, (row, column) => weights(head, row, column));
  }

  function drawLarge(answer, off, weight) {
    const tokens = answer.tokens, isOff = off.has(`${layer},${head}`);
    const canvas = el("canvas.map", { role: "img", "aria-label": t("one.head", { layer: layer + 1, head: head + 1 }) });
    paint(canvas, weight, tokens.length, 420);
    const reading = el("p.small.reading", { "aria-live": "polite" }, strongest(tokens, weight));
    const isFew = tokens.length <= 40;
    const labels = (kind) => isFew ? el(`div.${kind}`, {}, tokens.map((token) => el("span", {}, visible(token.text)))) : null;
    canvas.addEventListener("pointermove", (event) => {
      const box = canvas.getBoundingClientRect();
      const at = (value, size) => Math.min(tokens.length - 1, Math.max(0, Math.floor((value / size) * tokens.length)));
      const row = at(event.clientY - box.top, box.height), column = at(event.clientX - box.left, box.width);
      if (column <= row) reading.textContent = look(tokens, row, column, weight(row, column));
    });
    const text = Array.from({ length: tokens.length }, (_, row) => row);
    replace(large, el("div.row", {}, el("b.grow", {}, t("one.head", { layer: layer + 1, head: head + 1 })),
      el("button", { type: "button", "aria-pressed": String(isOff), onclick: () => toggle(layer, head) }, t(isOff ? "head.on" : "head.off"))),
    el("div.framed", { class: isFew ? "labelled" : "" }, labels("rows"), canvas, labels("columns")), reading,
    el("details.small", {}, el("summary.quiet", {}, t("as.text")), el("ul", {}, text.map((row) => {
      const best = Array.from({ length: row + 1 }, (_, column) => column).sort((a, b) => weight(row, b) - weight(row, a))[0];
      return el("li", {}, look(tokens, row, best, weight(row, best)));
    }))));
  }
  return { element, draw };
}

const look = (tokens, row, column, share) =>
  t("looks.at", { from: visible(tokens[row].text), to: visible(tokens[column].text), share: percent(share, 0) });

/** Of the last token, that it looks at most. */
function strongest(tokens, weight) {
  const row = tokens.length - 1;
  let best = 0;
  for (let column = 0; column <= row; column++) if (weight(row, column) > weight(row, best)) best = column;
  return look(tokens, row, best, weight(row, best));
}

"""#
private let file26 = #"""
/** Reads what `POST /inspect` answers. */

export function bytesOf(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let index = 0; index < text.length; index++) bytes[index] = text.charCodeAt(index);
  return bytes;
}

export const floatsOf = (base64) => new Float32Array(bytesOf(base64).buffer);

/**
 * One layer's attention: for every head the rows of a lower triangle, a byte a weight.
 * @returns {(head: number, row: number, column: number) => number} the weight from 0 to 1
 */
export function attentionOf(base64, tokens) {
  const bytes = bytesOf(base64), size = (tokens * (tokens + 1)) / 2;
  return (head, row, column) => (column > row ? 0 : bytes[head * size + (row * (row + 1)) / 2 + column] / 255);
}

"""#
private let file27 = #"""
/** The logit lens as a table, and how long the residual stream is. */
import { lineChart } from "../chart.js";
import { el, replace } from "../dom.js";
import { percent, t } from "../i18n.js";
import { visible } from "../playground/tokens.js";

export function lensCard() {
  const table = el("div.wide.lens", { tabIndex: 0 });
  const reading = el("p.small.reading", { "aria-live": "polite" });
  const element = el("section.card", {}, el("h2", {}, t("lens")), el("p.quiet.small", {}, t("lens.hint")), table, reading);

  function draw({ tokens, lens }) {
    const rows = lens.map((positions, layer) => ({ positions, layer })).reverse();
    replace(table, el("table", {},
      el("thead", {}, el("tr", {}, el("th", {}, ""), tokens.map((token) => el("th", { scope: "col" }, visible(token.text))))),
      el("tbody", {}, rows.map(({ positions, layer }) => el("tr", {},
        el("th", { scope: "row" }, layer === 0 ? t("embedding") : layer), positions.map((best, at) => cell(best, layer, at, tokens)))))));
    replace(reading);
  }

  function cell(best, layer, at, tokens) {
    const all = best.map((one) => `${visible(one.text)} ${percent(one.probability)}`).join("   ");
    const show = () => {
      table.querySelector(".seen")?.classList.remove("seen");
      box.classList.add("seen");
      replace(reading, el("b", {}, `${layer === 0 ? t("embedding") : `${t("layer")} ${layer}`}, ${visible(tokens[at].text)} → `), all);
    };
    const box = el("td", { title: all, onmouseenter: show, onclick: show }, visible(best[0].text));
    box.style.setProperty("--sure", best[0].probability.toFixed(3));
    return box;
  }
  return { element, draw };
}

export function normsCard() {
  const figure = el("figure.chart");
  const element = el("section.card", {}, el("h2", {}, t("norms")), el("p.quiet.small", {}, t("norms.hint")), figure);
  const draw = ({ tokens, residual_norms: norms }) => {
    const series = tokens.map((token, at) => ({
      name: visible(token.text), points: norms.map((row, layer) => [layer, row[at]]), faint: at !== 0 && at !== tokens.length - 1,
      colour: at === 0 ? "#c8702e" : "#3b82b8",
    }));
    const first = visible(tokens[0].text), last = visible(tokens.at(-1).text);
    lineChart(figure, { title: tokens.length > 1 ? `${first} / ${last}` : first, series, log: true, xName: t("layer") });
  };
  return { element, draw };
}

"""#
private let file28 = #"""
/** The page that looks inside the model. */
import { postJSON, textModels } from "../api.js";
import { el, replace } from "../dom.js";
import { t } from "../i18n.js";
import { modelSelect, shell } from "../shell.js";
import { attentionCard } from "./attention.js";
import { lensCard, normsCard } from "./lens.js";
import { nextCard } from "./next.js";

shell("/inspect");
let answer = null, whole = null;
const off = new Set();
const text = el("textarea", { rows: 2, value: t("inspect.example"), "aria-label": t("inspect.text"), id: "inspect-text" });
const go = el("button.primary", { type: "submit" }, t("look"));
const note = el("div", { "aria-live": "polite" }), switched = el("div.row.switched");
const attention = attentionCard(() => ({ answer, off }), toggle), lens = lensCard(), norms = normsCard(), next = nextCard();
const results = el("div", { hidden: true }, attention.element, next.element, lens.element, norms.element);
let model;

async function look() {
  go.disabled = true;
  replace(note);
  try {
    const heads = [...off].map((place) => place.split(",").map(Number));
    const found = await postJSON("/inspect", { model: model.value, text: text.value, heads_off: heads });
    answer = found;
    if (!heads.length) whole = answer;
    results.hidden = false;
    attention.draw();
    lens.draw(answer);
    norms.draw(answer);
    next.draw(answer, heads.length ? whole : null);
  } catch (error) {
    replace(note, el("p.notice", { role: "alert" }, t("error", { why: error.message })));
  }
  drawSwitched();
  go.disabled = false;
}

function toggle(layer, head) {
  const place = `${layer},${head}`;
  if (!off.delete(place)) off.add(place);
  look();
}

function drawSwitched() {
  const chips = [...off].map((place) => {
    const [layer, head] = place.split(",").map(Number);
    return el("button", { type: "button", title: t("head.on"), onclick: () => toggle(layer, head) }, `${layer + 1}.${head + 1} ×`);
  });
  replace(switched, off.size ? [el("span.small.quiet", {}, t("heads.off")), chips,
    el("button.plain", { type: "button", onclick: () => { off.clear(); look(); } }, t("all.on"))] : null);
}

const form = el("form.card", { onsubmit: (event) => { event.preventDefault(); off.clear(); whole = null; look(); } }, text,
  el("div.row.controls", {}, el("span.picker"), el("span.grow"), go), note, switched);
text.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.isComposing && !event.shiftKey) { event.preventDefault(); form.requestSubmit(); }
});
document.body.append(el("main.page", { id: "main" }, el("div.sheet", {},
  el("header", {}, el("h1", {}, t("inspect.title")), el("p", {}, t("inspect.more"))), form, results)));
document.addEventListener("martlet-theme", () => attention.draw());
textModels().then((models) => {
  model = modelSelect(models, "inspect", () => { off.clear(); answer = whole = null; results.hidden = true; });
  replace(form.querySelector(".picker"), model);
  look();
}, (error) => replace(note, el("p.notice", { role: "alert" }, t("no.server", { why: error.message }))));

"""#
private let file29 = #"""
/** The next token: bars that follow the sampler's sliders. */
import { el, replace } from "../dom.js";
import { number, percent, t } from "../i18n.js";
import { visible } from "../playground/tokens.js";
import { floatsOf } from "./data.js";
import { distribution } from "./sampling.js";

const sliders = [["temperature", 0, 2, 0.05, 1], ["top_p", 0.01, 1, 0.01, 1], ["top_k", 0, 64, 1, 0], ["min_p", 0, 0.5, 0.01, 0]];

export function nextCard() {
  const values = {}, inputs = [];
  let logits = null, texts = new Map(), note = null;
  for (const [name, low, high, step, usual] of sliders) {
    values[name] = usual;
    const shown = el("b", {}, usual);
    const input = el("input", { type: "range", min: String(low), max: String(high), step: String(step), value: String(usual),
      oninput: () => { values[name] = Number(input.value); shown.textContent = input.value; bars(); } });
    inputs.push(el("label.field", { title: t("hint." + name) }, el("span", {}, t("parameter." + name), shown), input));
  }
  const list = el("ol.bars"), kept = el("p.small.quiet"), original = el("p.small");
  const element = el("section.card", {}, el("h2", {}, t("next")), el("p.quiet.small", {}, t("next.hint")),
    el("div.next", {}, el("div", {}, inputs, kept, original), list));

  function bars() {
    if (!logits) return;
    const { entries, kept: count } = distribution(logits,
      { temperature: values.temperature, topK: values.top_k, topP: values.top_p, minP: values.min_p }, 15);
    kept.textContent = t("kept", { n: number(count) });
    const longest = Math.max(...entries.map((entry) => Math.max(entry.probability, entry.before)));
    replace(list, entries.map((entry) => {
      const drawn = el("i"), before = el("i.before");
      drawn.style.width = (100 * entry.probability) / longest + "%";
      before.style.width = (100 * entry.before) / longest + "%";
      return el("li", { class: entry.probability ? "" : "out" }, el("code", {}, visible(texts.get(entry.token) ?? "#" + entry.token)),
        el("span.track", {}, before, drawn), el("span.number", {}, percent(entry.probability)));
    }));
  }

  /** @param {object|null} whole the answer with no head off, when some are */
  function draw(answer, whole) {
    logits = floatsOf(answer.next.logits);
    texts = new Map(answer.next.top.map((one) => [one.token, one.text]));
    note = whole && distribution(floatsOf(whole.next.logits), { temperature: 1, topK: 0, topP: 1, minP: 0 }, 1).entries[0];
    original.textContent = note ? t("changed.from", {
      token: visible(whole.next.top[0].text), share: percent(note.probability),
    }) : "";
    bars();
  }
  return { element, draw };
}

"""#
private let file30 = #"""
/** What temperature, top-k, top-p and min-p make of logits, in the order of the server's sampler. No drawing here. */

/**
 * @param {Float32Array|number[]} logits of the whole vocabulary
 * @param {{temperature: number, topK: number, topP: number, minP: number}} options
 * @param {number} count how many of the best to tell of
 * @returns {{kept: number, entries: {token: number, before: number, probability: number}[]}} best first; `before` is the
 *   probability without filters at this temperature, `probability` that of being drawn
 */
export function distribution(logits, { temperature, topK, topP, minP }, count = 20) {
  const top = logits.reduce((best, logit) => Math.max(best, logit), -Infinity);
  const isGreedy = temperature === 0;
  const scale = isGreedy ? 1 : 1 / temperature;
  let total = 0;
  const candidates = [];
  const floor = top - 40 / scale;
  for (let token = 0; token < logits.length; token++) {
    const weight = Math.exp((logits[token] - top) * scale);
    total += weight;
    // Below e⁻⁴⁰ of the best nothing is ever drawn or shown.
    if (logits[token] > floor) candidates.push({ token, weight });
  }
  candidates.sort((a, b) => b.weight - a.weight || a.token - b.token);
  let kept = candidates.length;
  if (isGreedy) kept = 1;
  else {
    if (topK > 0) kept = Math.min(kept, topK);
    if (topP < 1) {
      const mass = topK > 0 ? candidates.slice(0, kept).reduce((sum, one) => sum + one.weight, 0) : total;
      let sum = 0, nucleus = 0;
      while (nucleus < kept && sum < topP * mass) sum += candidates[nucleus++].weight;
      kept = Math.max(1, nucleus);
    }
    if (minP > 0) {
      const below = candidates.slice(0, kept).findIndex((one) => one.weight < minP);
      if (below >= 0) kept = below;
    }
  }
  const everything = !isGreedy && topK === 0 && topP >= 1 && minP === 0;
  const drawn = everything ? total : candidates.slice(0, kept).reduce((sum, one) => sum + one.weight, 0);
  return {
    kept: everything ? logits.length : kept,
    entries: candidates.slice(0, count).map(({ token, weight }, index) => ({
      token, before: weight / total, probability: everything || index < kept ? weight / drawn : 0,
    })),
  };
}

"""#
private let file31 = #"""
/** Markdown blocks to a tree of plain objects. A text that is still being written parses at any point of it. */
import { inline } from "./inline.js";
import { parseTeX } from "./tex.js";

/** @param {string} text @returns {Array} nodes: {tag, attributes?, children?}, or {tag: "codeblock", language, text} */
export function parseMarkdown(text) {
  return blocks(text.replace(/\r\n?/g, "\n").replace(/\t/g, "    ").split("\n"), 0);
}

const fence = /^ {0,3}(`{3,}|~{3,})\s*([^`]*)$/;
const heading = /^ {0,3}(#{1,6})(?:\s+(.*?))?\s*#*\s*$/;
const rule = /^ {0,3}([-*_])(?:\s*\1){2,}\s*$/;
const item = /^( {0,8})([-*+]|\d{1,9}[.)])(\s+|$)/;
const tableRule = /^ {0,3}\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/;
const blank = /^\s*$/;

function blocks(lines, depth) {
  const out = [];
  let at = 0;
  while (at < lines.length) {
    const line = lines[at];
    if (blank.test(line)) { at++; continue; }
    const step = code(lines, at) ?? mathBlock(lines, at) ?? single(line) ?? quote(lines, at, depth)
      ?? list(lines, at, depth) ?? table(lines, at) ?? paragraph(lines, at);
    out.push(step.node);
    at += step.length;
  }
  return out;
}

function code(lines, at) {
  const open = fence.exec(lines[at]);
  if (!open) return null;
  const close = new RegExp(`^ {0,3}${open[1][0] === "`" ? "`" : "~"}{${open[1].length},}\\s*$`);
  let end = at + 1;
  while (end < lines.length && !close.test(lines[end])) end++;
  const language = open[2].trim().split(/\s+/)[0].replace(/[^\w+#.-]/g, "").toLowerCase();
  const indent = lines[at].search(/\S/);
  const inner = lines.slice(at + 1, end).map((line) => line.replace(new RegExp(`^ {0,${indent}}`), ""));
  return { node: { tag: "codeblock", language, text: inner.join("\n") }, length: end - at + 1 };
}

/** $$ … $$ or \[ … \] over several lines. */
function mathBlock(lines, at) {
  const open = /^\s*(\$\$|\\\[)(.*)$/.exec(lines[at]);
  if (!open) return null;
  const close = open[1] === "$$" ? "$$" : "\\]";
  let text = open[2], end = at;
  while (!text.includes(close) && end + 1 < lines.length && !blank.test(lines[end + 1])) text += "\n" + lines[++end];
  const cut = text.indexOf(close);
  if (cut < 0 || text.slice(cut + 2).trim()) return null;
  return { node: { tag: "p", children: [parseTeX(text.slice(0, cut), true)] }, length: end - at + 1 };
}

function single(line) {
  const title = heading.exec(line);
  if (title) return { node: { tag: "h" + title[1].length, children: inline(title[2] ?? "") }, length: 1 };
  return rule.test(line) ? { node: { tag: "hr" }, length: 1 } : null;
}

function quote(lines, at, depth) {
  if (!/^ {0,3}>/.test(lines[at]) || depth > 8) return null;
  let end = at;
  while (end < lines.length && !blank.test(lines[end]) && (/^ {0,3}>/.test(lines[end]) || !starts(lines[end]))) end++;
  const inner = lines.slice(at, end).map((line) => line.replace(/^ {0,3}> ?/, ""));
  return { node: { tag: "blockquote", children: blocks(inner, depth + 1) }, length: end - at };
}

const starts = (line) => fence.test(line) || heading.test(line) || rule.test(line) || item.test(line);

function list(lines, at, depth) {
  const first = item.exec(lines[at]);
  if (!first || depth > 8) return null;
  const ordered = /\d/.test(first[2]), mark = first[2].at(-1), base = first[1].length;
  const items = [];
  let end = at, loose = false;
  while (end < lines.length) {
    const match = item.exec(lines[end]);
    if (!match || match[1].length < base || match[1].length > base + 1 || match[2].at(-1) !== mark
      || rule.test(lines[end])) break;
    const width = match[0].length > match[1].length + match[2].length + 4
      ? match[1].length + match[2].length + 1 : match[0].length;
    const inner = [lines[end].slice(Math.min(width, lines[end].length))];
    end++;
    while (end < lines.length) {
      const line = lines[end], indent = line.search(/\S/);
      if (indent < 0) {
        const next = lines.slice(end).findIndex((later) => !blank.test(later));
        if (next < 0) break;
        const after = lines[end + next];
        if (after.search(/\S/) < Math.min(width, base + 2)) break;
        inner.push("");
      } else if (indent >= Math.min(width, base + 2)) inner.push(line.slice(Math.min(indent, width)));
      else if (item.test(line) || starts(line) || blank.test(lines[end - 1]) || /^ {0,3}>/.test(line)) break;
      else inner.push(line.trim());
      end++;
    }
    let skipped = end;
    while (skipped < lines.length && blank.test(lines[skipped])) skipped++;
    const follows = skipped < lines.length && item.exec(lines[skipped])?.[2].at(-1) === mark;
    if (inner.some((line, index) => line === "" && index < inner.length - 1) || follows && skipped > end) loose = true;
    items.push(inner);
    if (skipped > end && follows) end = skipped;
  }
  const children = items.map((inner) => itemNode(inner, depth, loose));
  const start = ordered ? Number.parseInt(first[2], 10) : 1;
  return {
    node: { tag: ordered ? "ol" : "ul", attributes: start !== 1 ? { start: String(start) } : undefined, children },
    length: end - at,
  };
}

function itemNode(lines, depth, loose) {
  const task = /^\[([ xX])\]\s+/.exec(lines[0]);
  if (task) lines = [lines[0].slice(task[0].length), ...lines.slice(1)];
  let children = blocks(lines, depth + 1);
  if (!loose) children = children.flatMap((node) => (node.tag === "p" ? node.children : [node]));
  if (task) {
    const checked = task[1] === " " ? {} : { checked: "" };
    children.unshift({ tag: "input", attributes: { type: "checkbox", disabled: "", ...checked } }, " ");
  }
  return { tag: "li", children };
}

function cells(line) {
  const text = line.trim().replace(/^\|/, "").replace(/(?<!\\)\|$/, "");
  const out = [];
  let cell = "", inCode = false;
  for (let at = 0; at < text.length; at++) {
    if (text[at] === "\\" && text[at + 1] === "|") { cell += "|"; at++; continue; }
    if (text[at] === "`") inCode = !inCode;
    if (text[at] === "|" && !inCode) { out.push(cell); cell = ""; } else cell += text[at];
  }
  return [...out, cell].map((part) => part.trim());
}

function table(lines, at) {
  const under = lines[at + 1];
  if (!lines[at].includes("|") || under === undefined || !tableRule.test(under) || !under.includes("-")) return null;
  const head = cells(lines[at]), marks = cells(under);
  if (head.length !== marks.length) return null;
  const sides = marks.map((mark) => (/:$/.test(mark) ? (/^:/.test(mark) ? "center" : "right") : null));
  let end = at + 2;
  while (end < lines.length && lines[end].includes("|") && !blank.test(lines[end])) end++;
  const cell = (tag) => (text, column) => ({
    tag, attributes: sides[column] ? { class: sides[column] } : undefined, children: inline(text),
  });
  const row = (line) => ({
    tag: "tr", children: head.map((_, column) => cells(line)[column] ?? "").map(cell("td")),
  });
  const body = lines.slice(at + 2, end).map(row);
  return {
    node: { tag: "table", children: [
      { tag: "thead", children: [{ tag: "tr", children: head.map(cell("th")) }] }, { tag: "tbody", children: body },
    ] },
    length: end - at,
  };
}

function paragraph(lines, at) {
  let end = at + 1;
  while (end < lines.length && !blank.test(lines[end])) {
    const numbered = /^ {0,3}\d+[.)]/.test(lines[end]) && !/^ {0,3}1[.)]/.test(lines[end]);
    if (starts(lines[end]) && !numbered || /^ {0,3}>/.test(lines[end]) || /^\s*(\$\$|\\\[)/.test(lines[end])) break;
    if (lines[end].includes("|") && tableRule.test(lines[end + 1] ?? "") && lines[end + 1].includes("|")) break;
    end++;
  }
  const text = lines.slice(at, end).map((line, index, all) =>
    index < all.length - 1 ? line.trimStart() : line.trim()).join("\n");
  return { node: { tag: "p", children: inline(text) }, length: end - at };
}

"""#
private let file32 = #"""
/** Light colouring of source text: comments, strings, numbers and words of the language. */
const words = {
  c: `auto break case char const continue default do double else enum extern float for goto if inline int long register
    return short signed sizeof static struct switch typedef union unsigned void volatile while bool true false class
    namespace template typename public private protected virtual new delete this using nullptr constexpr throw try catch`,
  js: `async await break case catch class const continue default delete do else export extends false finally for from
    function get if import in instanceof interface let new null of return set static super switch this throw true try type
    typeof undefined var void while yield enum implements readonly`,
  py: `and as assert async await break class continue def del elif else except False finally for from global if import in
    is lambda None nonlocal not or pass raise return True try while with yield match case self`,
  swift: `actor any as associatedtype async await break case catch class continue convenience default defer deinit do else
    enum extension fallthrough false fileprivate final for func guard if import in init inout internal is lazy let mutating
    nil open operator override package precondition private protocol public repeat rethrows return self Self some static
    struct subscript super switch throw throws true try typealias var weak where while`,
  rust: `as async await break const continue crate dyn else enum extern false fn for if impl in let loop match mod move mut
    pub ref return self Self static struct super trait true type unsafe use where while`,
  go: `break case chan const continue default defer else fallthrough false for func go goto if import interface map nil
    package range return select struct switch true type var`,
  java: `abstract boolean break byte case catch char class const continue default do double else enum extends false final
    finally float for if implements import instanceof int interface long native new null package private protected public
    return short static super switch synchronized this throw throws true try var void volatile while fun val when object`,
  sh: `if then else elif fi for while until do done case esac in function return local export echo cd set unset exit source
    sudo test true false`,
  sql: `select from where and or not in is null insert into values update set delete create table alter drop index join left
    right inner outer on group by order having limit offset as distinct union all case when then else end primary key
    foreign references default count sum avg min max between like exists with`,
  json: "true false null",
};
const same = {
  javascript: "js", typescript: "js", ts: "js", jsx: "js", tsx: "js", python: "py", cpp: "c", "c++": "c", h: "c", cs: "java",
  "c#": "java", kotlin: "java", bash: "sh", shell: "sh", zsh: "sh", console: "sh", golang: "go", rs: "rust", jsonc: "json",
  jsonl: "json", yml: "yaml", htm: "html", xml: "html", svg: "html",
};
const hashComments = new Set(["py", "sh", "yaml", "toml", "ruby", "rb", "r", "make", "dockerfile", "perl"]);
const sets = Object.fromEntries(Object.entries(words).map(([name, list]) => [name, new Set(list.trim().split(/\s+/))]));

function pattern(kind) {
  const comment = hashComments.has(kind) ? "#[^\\n]*" : kind === "sql" ? "--[^\\n]*|/\\*[\\s\\S]*?(?:\\*/|$)"
    : kind === "html" ? "<!--[\\s\\S]*?(?:-->|$)" : kind === "json" ? "(?!)" : "//[^\\n]*|/\\*[\\s\\S]*?(?:\\*/|$)";
  const triple = kind === "py" || kind === "swift" ? `"""[\\s\\S]*?(?:"""|$)|'''[\\s\\S]*?(?:'''|$)|` : "";
  const tick = kind === "js" || kind === "go" || kind === "sh" ? "|`(?:\\\\.|[^`\\\\])*(?:`|$)" : "";
  const single = kind === "rust" ? "" : "|'(?:\\\\.|[^'\\\\\\n])*'";
  const string = `${triple}"(?:\\\\.|[^"\\\\\\n])*"${single}${tick}`;
  return new RegExp(`(${comment})|(${string})|(\\b\\d[\\w.]*\\b)|([\\p{L}_$@#][\\p{L}\\p{N}_$]*)`, "gu");
}

/**
 * @returns {{text: string, kind: "comment"|"string"|"number"|"word"|"call"|null}[]} whose texts joined are `source`
 */
export function highlight(source, language) {
  const kind = same[language] ?? language;
  if (!language || source.length > 60_000 || ["text", "plain", "txt", "markdown", "md", "diff"].includes(kind)) {
    return [{ text: source, kind: null }];
  }
  const known = sets[kind];
  const out = [];
  let last = 0;
  const put = (text, what) => { if (text) out.push({ text, kind: what }); };
  for (const match of source.matchAll(pattern(kind))) {
    const [text, comment, string, digits, name] = match;
    let what = comment ? "comment" : string ? "string" : digits ? "number" : null;
    if (name) {
      if (known?.has(name) || kind === "sql" && known.has(name.toLowerCase())) what = "word";
      else if (source[match.index + text.length] === "(" && kind !== "html") what = "call";
    }
    if (!what) continue;
    put(source.slice(last, match.index), null);
    put(text, what);
    last = match.index + text.length;
  }
  put(source.slice(last), null);
  return out;
}

"""#
private let file33 = #"""
/** Inline Markdown to a tree of plain objects: {tag, attributes?, children?} and strings. No HTML passes through. */
import { parseTeX } from "./tex.js";

const escapable = /[!-/:-@[-`{-~]/;

/** Links lead to the web, to mail, or nowhere. Control characters and spaces hide schemes from naive checks. */
export function safeAddress(address) {
  const plain = address.replace(/[\u0000-\u0020\u007f-\u009f\u200b-\u200f\u2028-\u202e\ufeff]/g, "");
  return /^(https?:\/\/|mailto:)/i.test(plain) ? plain : null;
}

/** @param {string} text @returns {Array} */
export function inline(text, depth = 0) {
  const out = [];
  let plain = "";
  const flush = () => { if (plain) out.push(plain); plain = ""; };
  const put = (node) => { flush(); out.push(node); };
  let at = 0;
  while (at < text.length) {
    const rest = text.slice(at);
    const found = depth < 12 ? construct(text, at, rest, depth) : null;
    if (found) {
      put(found.node);
      at += found.length;
    } else if (text[at] === "\\" && at + 1 < text.length && escapable.test(text[at + 1])) {
      plain += text[at + 1];
      at += 2;
    } else if (text[at] === "`") {
      // Fence ticks without a partner are themselves, all of them.
      const ticks = rest.match(/^`+/)[0];
      plain += ticks;
      at += ticks.length;
    } else {
      plain += text[at++];
    }
  }
  flush();
  return out;
}

function construct(text, at, rest, depth) {
  let match;
  const before = at > 0 ? text[at - 1] : " ";
  switch (rest[0]) {
    case "`":
      match = /^(`+)(?!`)([\s\S]*?[^`])\1(?!`)/.exec(rest);
      return match && { length: match[0].length, node: { tag: "code", children: [match[2].replace(/^ (.*) $/s, "$1")] } };
    case "$":
      match = /^\$\$([^$]+?)\$\$/.exec(rest);
      if (match) return math(match, true);
      // Dollars of money are followed or preceded by a space, or by a digit after the end.
      match = /^\$(?![\s$])((?:\\.|[^$\\\n])*?[^\s\\])\$(?!\d)/.exec(rest);
      return match && !/^\d[\d.,]*\s/.test(match[1]) ? math(match, false) : null;
    case "\\":
      match = /^\\\(([\s\S]+?)\\\)/.exec(rest);
      if (match) return math(match, false);
      match = /^\\\[([\s\S]+?)\\\]/.exec(rest);
      if (match) return math(match, true);
      match = /^\\\n/.exec(rest);
      return match && { length: 2, node: { tag: "br" } };
    case " ":
      match = /^ {2,}\n/.exec(rest);
      return match && { length: match[0].length, node: { tag: "br" } };
    case "*":
    case "_":
      return emphasis(rest, before, depth);
    case "~":
      match = /^~~(?!\s)([\s\S]*?[^\s~])~~/.exec(rest);
      return match && { length: match[0].length, node: { tag: "del", children: inline(match[1], depth + 1) } };
    case "!":
      // Pictures of the outside are not fetched: what a model says must not make this page speak to other machines.
      match = /^!\[((?:[^\]\\]|\\.)*)\]\(\s*([^\s)]*)[^)]*\)/.exec(rest);
      return match && { length: match[0].length, node: link(match[2], match[1] ? [match[1]] : [match[2]]) };
    case "[":
      return reference(rest, depth);
    case "<":
      match = /^<((?:https?:\/\/|mailto:)[^\s<>]+)>/i.exec(rest);
      if (match) return { length: match[0].length, node: link(match[1], [match[1]]) };
      match = /^<br\s*\/?>/i.exec(rest);
      return match && { length: match[0].length, node: { tag: "br" } };
    case "h":
      if (/\w/.test(before)) return null;
      match = /^https?:\/\/[^\s<>()[\]"'`，。；！？、]+(?:\([^\s<>()]*\)[^\s<>()[\]"'`]*)?/.exec(rest);
      if (!match) return null;
      match[0] = match[0].replace(/[.,;:!?*_]+$/, "");
      return { length: match[0].length, node: link(match[0], [match[0]]) };
    default:
      return null;
  }
}

const math = (match, isBlock) => ({ length: match[0].length, node: parseTeX(match[1], isBlock) });

function link(address, children) {
  const safe = safeAddress(address);
  return safe
    ? { tag: "a", attributes: { href: safe, rel: "noopener noreferrer nofollow", target: "_blank" }, children }
    : { tag: "span", children };
}

/** [text](address "title"), with brackets that match. */
function reference(rest, depth) {
  let open = 0, end = -1;
  for (let index = 0; index < rest.length && index < 2000; index++) {
    if (rest[index] === "\\") { index++; continue; }
    if (rest[index] === "[") open++;
    if (rest[index] === "]" && --open === 0) { end = index; break; }
  }
  if (end < 0) return null;
  const match = /^\(\s*(?:<([^<>\n]*)>|((?:[^\s()\\]|\\.|\([^\s()]*\))*))(?:\s+(?:"[^"]*"|'[^']*'))?\s*\)/
    .exec(rest.slice(end + 1));
  if (!match) return null;
  const label = rest.slice(1, end);
  return { length: end + 1 + match[0].length, node: link(match[1] ?? match[2], inline(label, depth + 1)) };
}

function emphasis(rest, before, depth) {
  const mark = rest[0];
  if (mark === "_" && /[\p{L}\p{N}]/u.test(before)) return null;
  const run = rest.match(mark === "*" ? /^\*+/ : /^_+/)[0].length;
  if (run > 3 || /^\s/.test(rest.slice(run)) || rest.length === run) return null;
  for (let width = run; width >= 1; width--) {
    const end = closing(rest, mark, width);
    if (end < 0) continue;
    const children = inline(rest.slice(width, end), depth + 1);
    const node = width === 3
      ? { tag: "strong", children: [{ tag: "em", children }] }
      : { tag: width === 2 ? "strong" : "em", children };
    return { length: end + width, node };
  }
  return null;
}

/** Where a run of exactly `width` marks closes what begins at 0, skipping code; -1 when nowhere. */
function closing(rest, mark, width) {
  for (let index = width; index < rest.length; index++) {
    if (rest[index] === "\\") { index++; continue; }
    if (rest[index] === "`") {
      const code = /^(`+)(?!`)[\s\S]*?[^`]\1(?!`)/.exec(rest.slice(index));
      if (code) index += code[0].length - 1;
      continue;
    }
    if (rest[index] !== mark) continue;
    let length = 1;
    while (rest[index + length] === mark) length++;
    const after = rest[index + length] ?? " ";
    const closes = !/\s/.test(rest[index - 1]) && (mark === "*" || !/[\p{L}\p{N}]/u.test(after));
    if (closes && (length === width || length > width && length - width !== width)) {
      return index + (length > width ? length - width : 0);
    }
    index += length - 1;
  }
  return -1;
}

"""#
private let file34 = #"""
/** Turns the trees of `blocks.js` into elements, of known kinds and attributes only. */
import { copyText, el } from "../dom.js";
import { t } from "../i18n.js";
import { parseMarkdown } from "./blocks.js";
import { highlight } from "./highlight.js";

const mathML = "http://www.w3.org/1998/Math/MathML";
const tags = new Set(`p h1 h2 h3 h4 h5 h6 hr blockquote ul ol li table thead tbody tr th td code em strong del a span br
  input`.split(/\s+/));
const mathTags = new Set(`math mrow mi mo mn mtext mspace mfrac msqrt mroot msub msup msubsup munder mover munderover
  mtable mtr mtd`.split(/\s+/));
const attributes = new Set(`href rel target start class type disabled checked display mathvariant stretchy fence largeop
  movablelimits accent linethickness width linebreak`.split(/\s+/));

/** Markdown as elements. What was drawn before and is the same stays, so that selections outlive a stream. */
export function renderMarkdown(target, text) {
  const trees = parseMarkdown(text);
  trees.forEach((tree, index) => {
    const mark = JSON.stringify(tree);
    const present = target.children[index];
    if (present?.markdownSource === mark) return;
    const element = build(tree);
    element.markdownSource = mark;
    if (present) present.replaceWith(element);
    else target.append(element);
  });
  while (target.children.length > trees.length) target.lastElementChild.remove();
}

function build(tree) {
  if (typeof tree === "string") return document.createTextNode(tree);
  if (tree.tag === "codeblock") return codeBlock(tree);
  const isMath = tree.math && mathTags.has(tree.tag);
  if (!isMath && !tags.has(tree.tag)) return document.createTextNode("");
  const element = isMath ? document.createElementNS(mathML, tree.tag) : document.createElement(tree.tag);
  for (const [name, value] of Object.entries(tree.attributes ?? {})) {
    if (attributes.has(name)) element.setAttribute(name, value);
  }
  for (const child of tree.children ?? []) element.append(build(child));
  return tree.tag === "table" ? el("div.wide", {}, element) : element;
}

export function coloured(source, language) {
  return highlight(source, language).map((part) =>
    part.kind ? el("span", { class: "hl-" + part.kind }, part.text) : part.text);
}

function codeBlock({ language, text }) {
  const button = el("button.plain", { type: "button", onclick: async () => {
    button.textContent = (await copyText(text)) ? t("copied") : t("copy.failed");
    setTimeout(() => { button.textContent = t("copy"); }, 1500);
  } }, t("copy"));
  return el("figure.code", {}, el("figcaption", {}, el("span", {}, language || t("code")), button),
    el("pre", { tabIndex: 0 }, el("code", {}, coloured(text, language))));
}

"""#
private let file35 = #"""
/** What TeX's commands look like. */
const pairs = (text) => Object.fromEntries(text.trim().split(/\s+/).map((pair) => {
  const cut = pair.indexOf(":");
  return [pair.slice(0, cut), pair.slice(cut + 1)];
}));

export const greek = pairs(`alpha:α beta:β gamma:γ delta:δ epsilon:ϵ varepsilon:ε zeta:ζ eta:η theta:θ vartheta:ϑ iota:ι
  kappa:κ lambda:λ mu:μ nu:ν xi:ξ omicron:ο pi:π varpi:ϖ rho:ρ varrho:ϱ sigma:σ varsigma:ς tau:τ upsilon:υ phi:ϕ
  varphi:φ chi:χ psi:ψ omega:ω Gamma:Γ Delta:Δ Theta:Θ Lambda:Λ Xi:Ξ Pi:Π Sigma:Σ Upsilon:Υ Phi:Φ Psi:Ψ Omega:Ω
  infty:∞ partial:∂ nabla:∇ ell:ℓ hbar:ℏ Re:ℜ Im:ℑ aleph:ℵ emptyset:∅ varnothing:∅ imath:ı jmath:ȷ degree:°`);

export const operators = pairs(`sum:∑ prod:∏ coprod:∐ bigcup:⋃ bigcap:⋂ bigoplus:⨁ bigotimes:⨂ bigvee:⋁ bigwedge:⋀
  int:∫ iint:∬ iiint:∭ oint:∮ times:× cdot:⋅ div:÷ pm:± mp:∓ ast:∗ star:⋆ circ:∘ bullet:∙ oplus:⊕ ominus:⊖ otimes:⊗
  odot:⊙ cup:∪ cap:∩ setminus:∖ wedge:∧ land:∧ vee:∨ lor:∨ neg:¬ lnot:¬ le:≤ leq:≤ leqslant:≤ ge:≥ geq:≥ geqslant:≥
  ne:≠ neq:≠ equiv:≡ approx:≈ sim:∼ simeq:≃ cong:≅ propto:∝ ll:≪ gg:≫ prec:≺ succ:≻ in:∈ notin:∉ ni:∋ subset:⊂
  subseteq:⊆ supset:⊃ supseteq:⊇ forall:∀ exists:∃ nexists:∄ to:→ rightarrow:→ leftarrow:← gets:← leftrightarrow:↔
  Rightarrow:⇒ implies:⟹ Leftarrow:⇐ Leftrightarrow:⇔ iff:⟺ mapsto:↦ longrightarrow:⟶ uparrow:↑ downarrow:↓ mid:∣
  parallel:∥ perp:⊥ angle:∠ triangle:△ therefore:∴ because:∵ cdots:⋯ ldots:… dots:… dotsc:… vdots:⋮ ddots:⋱ colon::
  prime:′ top:⊤ bot:⊥ vdash:⊢ models:⊨ lbrace:{ rbrace:} backslash:∖ square:□ blacksquare:■ checkmark:✓ dagger:†`);

export const functions = new Set(`sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh log ln lg exp lim max min sup
  inf limsup liminf det dim ker gcd deg arg hom Pr mod argmax argmin`.split(/\s+/));

export const accents = pairs(`hat:^ widehat:^ bar:¯ overline:¯ tilde:~ widetilde:~ vec:→ dot:˙ ddot:¨ overrightarrow:→
  overbrace:⏞ underbrace:⏟ underline:_ acute:´ grave:\` check:ˇ breve:˘`);

/** Letters moved into a block of mathematical alphanumerics, with the few that stand elsewhere. */
const block = (upper, lower, digit, others = {}) => (letter) => {
  if (others[letter]) return others[letter];
  const code = letter.codePointAt(0);
  if (upper && code >= 65 && code <= 90) return String.fromCodePoint(upper + code - 65);
  if (lower && code >= 97 && code <= 122) return String.fromCodePoint(lower + code - 97);
  if (digit && code >= 48 && code <= 57) return String.fromCodePoint(digit + code - 48);
  return letter;
};
const blackboard = block(0x1d538, 0x1d552, 0x1d7d8, { C: "ℂ", H: "ℍ", N: "ℕ", P: "ℙ", Q: "ℚ", R: "ℝ", Z: "ℤ" });
const script = block(0x1d49c, 0x1d4b6, 0, { B: "ℬ", E: "ℰ", F: "ℱ", H: "ℋ", I: "ℐ", L: "ℒ", M: "ℳ", R: "ℛ", e: "ℯ", g: "ℊ",
  o: "ℴ" });
const bold = block(0x1d400, 0x1d41a, 0x1d7ce);

export const alphabets = {
  mathbb: blackboard, mathcal: script, mathscr: script, mathbf: bold, boldsymbol: bold, bm: bold,
  mathfrak: block(0x1d504, 0x1d51e, 0, { C: "ℭ", H: "ℌ", I: "ℑ", R: "ℜ", Z: "ℨ" }), mathsf: block(0x1d5a0, 0x1d5ba, 0x1d7e2),
  mathit: (letter) => letter, mathnormal: (letter) => letter,
};

"""#
private let file36 = #"""
/** A subset of TeX's mathematics to MathML, as a tree of plain objects. What is not known is shown as it was written. */
import { greek, operators, functions, accents, alphabets } from "./symbols.js";

const node = (tag, children = [], attributes) => ({ tag, math: true, attributes, children });

/** @param {string} source without its dollars */
export function parseTeX(source, isBlock) {
  const reader = new Reader(tokens(source));
  const row = reader.row(() => false, 0);
  return node("math", [row], isBlock ? { display: "block", class: "display" } : { display: "inline" });
}

function tokens(source) {
  return source.match(/\\[a-zA-Z]+\*?|\\[\s\S]|\s+|\d+(?:\.\d+)?|[\s\S]/gu) ?? [];
}

const large = new Set(["∑", "∏", "∐", "⋃", "⋂", "⨁", "⨂", "⋁", "⋀"]);
const limits = new Set(["lim", "max", "min", "sup", "inf", "limsup", "liminf", "argmax", "argmin"]);
const fences = {
  "(": "(", ")": ")", "[": "[", "]": "]", "|": "|", ".": "", "/": "/", "\\{": "{", "\\}": "}", "\\|": "‖",
  "\\lvert": "|", "\\rvert": "|", "\\lVert": "‖", "\\rVert": "‖", "\\langle": "⟨", "\\rangle": "⟩",
  "\\lfloor": "⌊", "\\rfloor": "⌋", "\\lceil": "⌈", "\\rceil": "⌉", "<": "⟨", ">": "⟩", "\\vert": "|", "\\Vert": "‖",
};
const surroundings = {
  matrix: ["", ""], pmatrix: ["(", ")"], bmatrix: ["[", "]"], Bmatrix: ["{", "}"], vmatrix: ["|", "|"],
  Vmatrix: ["‖", "‖"], cases: ["{", ""], aligned: ["", ""], align: ["", ""], "align*": ["", ""], array: ["", ""],
  gathered: ["", ""], smallmatrix: ["", ""], split: ["", ""], equation: ["", ""], "equation*": ["", ""],
};
const spaces = { "\\,": "0.17em", "\\:": "0.22em", "\\;": "0.28em", "\\ ": "0.25em", "\\quad": "1em", "\\qquad": "2em",
  "~": "0.25em", "\\!": "0" };
const fence = (text) => node("mo", [text], { stretchy: "true", fence: "true" });

class Reader {
  constructor(tokens) {
    this.tokens = tokens;
    this.at = 0;
  }
  /** The token to come; spaces mean nothing except between braces that are read as they are. */
  get next() {
    while (/^\s/.test(this.tokens[this.at] ?? "")) this.at++;
    return this.tokens[this.at];
  }
  take() {
    const token = this.next;
    this.at++;
    return token;
  }

  /** Up to a token that `ends` wants, which is not taken, or the end. */
  row(ends, depth) {
    const children = [];
    while (this.next !== undefined && !ends(this.next)) {
      if (depth > 40) { children.push(node("mtext", [this.take()])); continue; }
      children.push(this.scripted(depth));
    }
    return children.length === 1 ? children[0] : node("mrow", children);
  }

  /** An atom with what hangs below and above it. */
  scripted(depth) {
    const base = this.next === "^" || this.next === "_" ? node("mrow") : this.atom(depth);
    let below, above;
    for (;;) {
      if (this.next === "_" && !below) { this.take(); below = this.argument(depth); }
      else if (this.next === "^" && !above) { this.take(); above = this.argument(depth); }
      else if (this.next === "'") {
        let primes = "";
        while (this.next === "'") { this.take(); primes += "′"; }
        const mark = node("mo", [primes]);
        above = above ? node("mrow", [mark, above]) : mark;
      } else if (this.next === "\\limits" || this.next === "\\nolimits") this.take();
      else break;
    }
    if (!below && !above) return base;
    const under = base.isLimit;
    const parts = [base, ...(below ? [below] : []), ...(above ? [above] : [])];
    const tag = below && above ? (under ? "munderover" : "msubsup")
      : below ? (under ? "munder" : "msub") : under ? "mover" : "msup";
    return node(tag, parts);
  }

  argument(depth) {
    if (this.next === undefined) return node("mrow");
    if (/^\d./.test(this.next)) {
      // Without braces an argument is one digit.
      const number = this.tokens[this.at];
      this.tokens[this.at] = number.slice(1);
      return node("mn", [number[0]]);
    }
    return this.next === "{" ? this.group(depth) : this.atom(depth + 1);
  }

  group(depth) {
    this.take();
    const row = this.row((token) => token === "}", depth + 1);
    this.take();
    return row;
  }

  /** The text between braces as it was written. */
  raw() {
    if (this.next !== "{") return this.take() ?? "";
    this.take();
    let text = "", open = 1;
    while (this.at < this.tokens.length) {
      const token = this.tokens[this.at++];
      if (token === "{") open++;
      if (token === "}" && --open === 0) break;
      text += token;
    }
    return text;
  }

  atom(depth) {
    const token = this.take();
    if (token === "{") { this.at--; return this.group(depth); }
    if (/^\d/.test(token)) return node("mn", [token]);
    if (token[0] === "\\") return this.command(token, depth);
    if (token in spaces) return node("mspace", [], { width: spaces[token] });
    if (/^[\p{L}]$/u.test(token)) return node("mi", [token]);
    if (token === "-") return node("mo", ["−"]);
    if (token === "*") return node("mo", ["∗"]);
    if (token === "&") return node("mrow");
    if ("()[]|".includes(token)) return node("mo", [token], { stretchy: "false" });
    return node("mo", [token]);
  }

  command(token, depth) {
    const name = token.slice(1);
    if (token in spaces) return node("mspace", [], { width: spaces[token] });
    if (Object.hasOwn(greek, name)) return node("mi", [greek[name]], /^[A-Z]/.test(name) ? { mathvariant: "normal" } : undefined);
    if (Object.hasOwn(operators, name)) {
      const sign = node("mo", [operators[name]]);
      if (large.has(operators[name])) { sign.isLimit = true; sign.attributes = { largeop: "true", movablelimits: "true" }; }
      return sign;
    }
    if (functions.has(name)) {
      const word = node("mi", [name], { mathvariant: "normal" });
      word.isLimit = limits.has(name);
      return word;
    }
    if (Object.hasOwn(accents, name)) {
      const wide = /^(over|under|wide)/.test(name);
      const tag = /^under/.test(name) ? "munder" : "mover";
      return node(tag, [this.argument(depth), node("mo", [accents[name]], { stretchy: String(wide) })], { accent: "true" });
    }
    if (Object.hasOwn(alphabets, name)) return alphabet(this.argument(depth), alphabets[name]);
    if (Object.hasOwn(fences, token)) return node("mo", [fences[token]], { stretchy: "false" });
    return this.structure(name, token, depth);
  }

  structure(name, token, depth) {
    switch (name) {
      case "frac": case "dfrac": case "tfrac": case "cfrac":
        return node("mfrac", [this.argument(depth), this.argument(depth)]);
      case "binom": case "dbinom":
        return node("mrow", [fence("("), node("mfrac", [this.argument(depth), this.argument(depth)], { linethickness: "0" }),
          fence(")")]);
      case "sqrt": {
        let index;
        if (this.next === "[") {
          this.take();
          index = this.row((next) => next === "]", depth + 1);
          this.take();
        }
        const under = this.argument(depth);
        return index ? node("mroot", [under, index]) : node("msqrt", [under]);
      }
      case "text": case "mathrm": case "textrm": case "operatorname": case "operatorname*": case "mbox": case "textbf":
      case "textit": case "mathtt": case "texttt":
        return this.words(name);
      case "left": return this.fenced(depth);
      case "begin": return this.environment(depth);
      case "big": case "Big": case "bigg": case "Bigg": case "bigl": case "bigr": case "Bigl": case "Bigr":
        return node("mo", [fences[this.next] ?? this.next ?? ""], (this.take(), { stretchy: "false" }));
      case "not":
        return node("mo", [{ "=": "≠", "\\in": "∉", "\\equiv": "≢" }[this.take()] ?? "̸"]);
      case "overset": case "stackrel": {
        const above = this.argument(depth);
        return node("mover", [this.argument(depth), above]);
      }
      case "underset": {
        const below = this.argument(depth);
        return node("munder", [this.argument(depth), below]);
      }
      case "boxed": return node("mrow", [this.argument(depth)], { class: "boxed" });
      case "displaystyle": case "textstyle": case "scriptstyle": case "nonumber": case "notag": return node("mrow");
      case "right": this.take(); return node("mrow");
      case "label": case "tag": this.raw(); return node("mrow");
      case "\\": return node("mspace", [], { linebreak: "newline" });
      case "%": case "$": case "#": case "&": case "_": return node("mo", [name]);
      default: return node("mtext", [token], { class: "unknown" });
    }
  }

  words(name) {
    const text = this.raw();
    const tag = /^(operatorname|mathrm)/.test(name) ? "mi" : "mtext";
    return node(tag, [text], tag === "mi" ? { mathvariant: "normal" } : undefined);
  }

  fenced(depth) {
    const open = fences[this.take()] ?? "";
    const inner = this.row((token) => token === "\\right", depth + 1);
    this.take();
    const close = fences[this.take()] ?? "";
    return node("mrow", [...(open ? [fence(open)] : []), inner, ...(close ? [fence(close)] : [])]);
  }

  environment(depth) {
    const name = this.raw();
    const [open, close] = surroundings[name] ?? ["", ""];
    if (name === "array" && this.next === "{") this.raw();
    const rows = [[]];
    while (this.next !== undefined && this.next !== "\\end") {
      const cell = this.row((token) => token === "&" || token === "\\\\" || token === "\\end", depth + 1);
      rows.at(-1).push(node("mtd", [cell]));
      if (this.next === "&") this.take();
      else if (this.next === "\\\\") { this.take(); rows.push([]); }
      if (this.next === "\\hline") this.take();
    }
    this.take();
    this.raw();
    if (rows.at(-1).length === 0) rows.pop();
    const kind = /align|split/.test(name) ? "aligned" : name === "cases" ? "cases" : "matrix";
    const table = node("mtable", rows.map((cells) => node("mtr", cells)), { class: kind });
    if (!open && !close) return table;
    return node("mrow", [fence(open), table, ...(close ? [fence(close)] : [])]);
  }
}

/** Letters of an alphabet of their own: blackboard, calligraphic, bold. */
function alphabet(tree, table) {
  if (typeof tree === "string") return tree;
  const isLetters = tree.tag === "mi" || tree.tag === "mn";
  return {
    ...tree,
    attributes: isLetters ? { ...tree.attributes, mathvariant: "normal" } : tree.attributes,
    children: tree.children.map((child) =>
      typeof child === "string" ? (isLetters ? [...child].map((letter) => table(letter)).join("") : child)
        : alphabet(child, table)),
  };
}

"""#
private let file37 = #"""
/** A text, what a model makes of it, and how sure it was of every token. */
import { postJSON } from "../api.js";
import { el, replace } from "../dom.js";
import { number, percent, t } from "../i18n.js";
import { modelSelect } from "../shell.js";
import { perplexity, tokensOf, visible } from "./tokens.js";

export function completionCard(models) {
  const prompt = el("textarea", { rows: 4, value: t("prompt.example"), "aria-label": t("prompt"), id: "prompt" });
  const model = modelSelect(models, "playground");
  const length = el("input", { type: "number", value: "48", min: "1", max: "512", "aria-label": t("parameter.max_tokens") });
  const temperature = el("input", { type: "number", value: "0.8", min: "0", max: "2", step: "0.1",
    "aria-label": t("parameter.temperature") });
  const echo = el("input", { type: "checkbox", checked: true });
  const go = el("button.primary", { type: "submit" }, t("continue"));
  const output = el("div.output", { "aria-label": t("result") });
  const detail = el("div.detail", { "aria-live": "polite" });
  const summary = el("p.small.quiet");
  let abort = null;

  async function run() {
    if (abort) { abort.abort(); return; }
    abort = new AbortController();
    go.textContent = t("stop");
    try {
      const answer = await postJSON("/v1/completions", {
        model: model.value, prompt: prompt.value, max_tokens: Number(length.value) || 16,
        temperature: Number(temperature.value) || 0, logprobs: 5, echo: echo.checked,
      }, { signal: abort.signal });
      draw(tokensOf(answer.choices[0].logprobs));
    } catch (error) {
      if (!abort.signal.aborted) replace(output, el("p.notice", { role: "alert" }, t("error", { why: error.message })));
    }
    abort = null;
    go.textContent = t("continue");
  }

  function draw(tokens) {
    replace(detail);
    let before = echo.checked ? "" : prompt.value;
    replace(output, echo.checked ? null : el("span.given", {}, prompt.value), tokens.map((token) => {
      const start = before;
      before += token.text;
      const show = () => showDetail(token, start, span);
      const span = el("span.token", { class: token.text.includes("\n") ? "line" : "", tabIndex: 0, role: "button", onmouseenter: show, onfocus: show, onclick: show,
        "aria-label": token.probability === null ? visible(token.text)
          : `${visible(token.text)} ${percent(token.probability)}` }, token.text);
      if (token.probability !== null) span.style.setProperty("--doubt", (1 - token.probability).toFixed(3));
      return span;
    }));
    const { value, count } = perplexity(tokens);
    summary.textContent = t("mean.probability", { n: number(value, 2), tokens: number(count) });
    const likely = output.querySelector(".token:nth-last-child(2)");
    if (likely) likely.dispatchEvent(new Event("mouseenter"));
  }

  function showDetail(token, before, span) {
    output.querySelector(".token.seen")?.classList.remove("seen");
    span.classList.add("seen");
    const rows = token.alternatives.map((one) => {
      const bar = el("i");
      bar.style.width = one.probability * 100 + "%";
      return el("button.alternative", { type: "button", "aria-current": one.isChosen ? "true" : null, onclick: () => {
        prompt.value = before + one.text;
        run();
      } }, el("code", {}, visible(one.text)), el("span.track", {}, bar), el("span.number", {}, percent(one.probability)));
    });
    replace(detail, el("p", {}, el("code.big", {}, visible(token.text)), " ",
      el("span.quiet", {}, token.probability === null ? "" : percent(token.probability, 2))), rows);
  }

  const form = el("form", { onsubmit: (event) => { event.preventDefault(); run(); } }, prompt,
    el("div.row.controls", {}, model, el("label.short", {}, t("parameter.max_tokens"), length),
      el("label.short", {}, t("parameter.temperature"), temperature), el("label.check", {}, echo, t("prompt.too")),
      el("span.grow"), go));
  prompt.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
  return el("section.card", {}, form, el("div.split", {}, el("div.grow", {}, output, summary),
    el("aside", { "aria-label": t("alternatives") }, el("h2", {}, t("alternatives")), detail)));
}

"""#
private let file38 = #"""
/** The playground page. */
import { textModels } from "../api.js";
import { el, replace } from "../dom.js";
import { t } from "../i18n.js";
import { shell } from "../shell.js";
import { completionCard } from "./completion.js";
import { tokenizerCard } from "./tokenizer.js";

shell("/playground");
const content = el("div");
document.body.append(el("main.page", { id: "main" }, el("div.sheet", {},
  el("header", {}, el("h1", {}, t("playground.title")), el("p", {}, t("playground.more"))), content)));
textModels().then((models) => replace(content, completionCard(models), tokenizerCard(models)),
  (error) => replace(content, el("p.notice", { role: "alert" }, t("no.server", { why: error.message }))));

"""#
private let file39 = #"""
/** How texts become tokens, for one model or two. */
import { postJSON } from "../api.js";
import { el, replace } from "../dom.js";
import { number, t } from "../i18n.js";
import { hex, pieces, visible } from "./tokens.js";

export function tokenizerCard(models) {
  const text = el("textarea", { rows: 3, value: t("tokenizer.example"), "aria-label": t("tokenizer.text"), id: "tokenizer-text" });
  const options = () => models.map((model) => el("option", { value: model.id }, model.id));
  const first = el("select", { "aria-label": t("model") }, options());
  const second = el("select", { "aria-label": t("second") }, el("option", { value: "" }, t("none")), options());
  const check = (label, isOn = false) => {
    const box = el("input", { type: "checkbox", checked: isOn });
    return { box, element: el("label.check", {}, box, label) };
  };
  const ids = check(t("show.ids"), true), bytes = check(t("show.bytes")), special = check(t("special.add"));
  const results = el("div.columns");
  let timer, round = 0;

  async function run() {
    const mine = ++round;
    const chosen = [first.value, second.value].filter(Boolean);
    try {
      const lists = await Promise.all(chosen.map(async (model) => {
        const answer = await postJSON("/tokenize", { model, content: text.value, add_special: special.box.checked,
          parse_special: true, with_pieces: true });
        return { model, tokens: pieces(answer.tokens) };
      }));
      if (mine === round) replace(results, lists.map((list) => draw(list, lists)));
    } catch (error) {
      if (mine === round) replace(results, el("p.notice", { role: "alert" }, t("error", { why: error.message })));
    }
  }

  function draw({ model, tokens }, lists) {
    const size = new TextEncoder().encode(text.value).length;
    const other = lists.find((list) => list.model !== model);
    const fewer = other && tokens.length < other.tokens.length
      ? t("less.tokens", { n: number((1 - tokens.length / other.tokens.length) * 100), other: other.model }) : null;
    const boxes = tokens.map((token, index) => el("span", { class: `piece hue${index % 5}`, title: `${token.id}: ${hex(token.bytes)}` },
      el("b", {}, token.text === null ? "�" : visible(token.text)),
      ids.box.checked ? el("small", {}, token.id) : null, bytes.box.checked ? el("small", {}, hex(token.bytes)) : null));
    return el("div", {}, el("h2", {}, model), el("p.small.quiet", {},
      t("counts", { tokens: number(tokens.length), bytes: number(size), ratio: number(size / Math.max(tokens.length, 1), 2) }),
      fewer ? el("b", {}, " · " + fewer) : null), el("div.pieces", {}, boxes));
  }

  const later = () => { clearTimeout(timer); timer = setTimeout(run, 200); };
  text.addEventListener("input", later);
  for (const input of [first, second, ids.box, bytes.box, special.box]) input.addEventListener("change", run);
  if (models.length) run();
  return el("section.card", { id: "tokenizer" }, el("h2", {}, t("tokenizer.title")), el("p.quiet.small", {}, t("tokenizer.more")), text,
    el("div.row.controls", {}, first, el("label.short", {}, t("second"), second), ids.element, bytes.element, special.element),
    results);
}

"""#
private let file40 = #"""
/** Tokens of a completion, as its log-probabilities tell them. No drawing here. */

/**
 * @param {{tokens: string[], token_logprobs: (number|null)[], top_logprobs: (object|null)[]}} logprobs as OpenAI's text
 *   completions give them
 * @returns {{text: string, probability: number|null, alternatives: {text: string, probability: number, isChosen: boolean}[]}[]}
 */
export function tokensOf(logprobs) {
  return logprobs.tokens.map((text, index) => {
    const chosen = logprobs.token_logprobs[index];
    const top = Object.entries(logprobs.top_logprobs?.[index] ?? {});
    const alternatives = top.map(([name, value]) => ({ text: name, probability: Math.exp(value), isChosen: name === text }))
      .sort((a, b) => b.probability - a.probability);
    return { text, probability: chosen === null || chosen === undefined ? null : Math.exp(chosen), alternatives };
  });
}

/** exp of the mean surprise over the tokens that have a probability. */
export function perplexity(tokens) {
  const known = tokens.filter((token) => token.probability !== null);
  const total = known.reduce((sum, token) => sum - Math.log(Math.max(token.probability, 1e-300)), 0);
  return { value: known.length ? Math.exp(total / known.length) : null, count: known.length };
}

/** A token so that it can be seen: spaces and line ends are drawn, what is no text is a mark. */
export function visible(text) {
  if (text === "") return "∅";
  return text.replaceAll("\n", "⏎").replaceAll("\t", "⇥").replaceAll(" ", "·");
}

/** A byte list as text, or null where it is no UTF-8 by itself. */
export function textOfBytes(bytes) {
  try { return new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.from(bytes)); } catch { return null; }
}

/** Pieces as the server's `/tokenize` gives them (`{id, piece: string | bytes}`), with their bytes. */
export function pieces(tokens) {
  const encoder = new TextEncoder();
  return tokens.map((token) => {
    if (typeof token === "number") return { id: token, text: String(token), bytes: [] };
    const bytes = Array.isArray(token.piece) ? token.piece : [...encoder.encode(token.piece)];
    return { id: token.id, text: Array.isArray(token.piece) ? textOfBytes(bytes) : token.piece, bytes };
  });
}

export const hex = (bytes) => bytes.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");

"""#
private let file41 = #"""
/** What a run's log says, as points. No drawing here. */

/**
 * Puts lines of `log.jsonl` into a run. Of a step that was done again after a resume, the later line counts, and what
 * came after it before is forgotten.
 */
export function addLines(run, lines) {
  run.steps ??= new Map();
  run.evaluations ??= new Map();
  run.scores ??= [];
  for (const line of lines) {
    if (line.kind === "score") run.scores.push(line);
    else if (line.kind === "evaluation") run.evaluations.set(line.step, line);
    else if (Number.isFinite(line.step)) run.steps.set(line.step, line);
  }
  return run;
}

const sorted = (map) => [...map.values()].sort((a, b) => a.step - b.step);
export const stepsOf = (run) => sorted(run.steps ?? new Map());
export const evaluationsOf = (run) => sorted(run.evaluations ?? new Map());

/** Tokens done up to each step, from the speeds and times of the log: nothing else says them. */
function tokensAt(steps) {
  let tokens = 0, seconds = 0;
  return new Map(steps.map((line) => {
    tokens += (line.tokens_per_second ?? 0) * Math.max(0, (line.seconds ?? 0) - seconds);
    seconds = line.seconds ?? seconds;
    return [line.step, tokens];
  }));
}

/**
 * @param {"step"|"time"|"tokens"} axis
 * @param {"step"|"evaluation"} kind of lines
 * @returns {number[][]} [x, y], without gaps
 */
export function points(run, name, axis, kind = "step") {
  const steps = stepsOf(run);
  const lines = kind === "step" ? steps : evaluationsOf(run);
  const tokens = axis === "tokens" ? tokensAt(steps) : null;
  const place = (line) => {
    if (axis === "step") return line.step;
    const near = kind === "step" ? line : steps.findLast((step) => step.step <= line.step);
    if (!near) return NaN;
    return axis === "time" ? (near.seconds ?? NaN) / 60 : tokens.get(near.step);
  };
  return lines.filter((line) => Number.isFinite(line[name])).map((line) => [place(line), line[name]]);
}

/** Exponential smoothing without the pull to zero at the start: each value is a mean of all before, the newest heaviest. */
export function smooth(points, amount) {
  if (amount <= 0) return points;
  let sum = 0, weight = 0;
  return points.map(([x, y]) => {
    sum = sum * amount + y * (1 - amount);
    weight = weight * amount + (1 - amount);
    return [x, sum / weight];
  });
}

/** Options by name with each run's value; `differs` where they are not all the same. */
export function compareConfigurations(runs) {
  const names = [...new Set(runs.flatMap((run) => run.configuration.map((option) => option.name)))];
  return names.map((name) => {
    const options = runs.map((run) => run.configuration.find((option) => option.name === name));
    const values = options.map((option) => (option ? JSON.stringify(option.value) : undefined));
    return { name, options, differs: values.some((value) => value !== values[0]) };
  });
}

"""#
private let file42 = #"""
/** The page that watches training: runs of a folder, side by side, as they are written. */
import { getJSON, postJSON } from "../api.js";
import { colours } from "../chart.js";
import { el, replace, toast } from "../dom.js";
import { number, significant, t } from "../i18n.js";
import { shell } from "../shell.js";
import { addLines, evaluationsOf } from "./curves.js";
import { drawConfiguration, drawCurves, drawSamples, drawScores } from "./views.js";

shell("/runs");
/** By name: what the list says, the log so far (`offset`), the configuration. */
const runs = new Map();
const chosen = new Set();
const view = { smoothing: 0.6, axis: "step", isLog: false, onlyDifferences: true, sample: null };
let isFirst = true;

const list = el("div.runs"), note = el("div", { "aria-live": "polite" });
const parts = { curves: el("div.charts"), samples: el("div"), scores: el("div"), configuration: el("div") };
const shown = () => [...runs.values()].filter((run) => chosen.has(run.name) && run.steps);

function controls() {
  const smoothing = el("input", { type: "range", min: "0", max: "0.98", step: "0.02", value: String(view.smoothing),
    oninput: () => { view.smoothing = Number(smoothing.value); drawCurves(parts.curves, shown(), view); } });
  const axis = el("select", { onchange: () => { view.axis = axis.value; drawCurves(parts.curves, shown(), view); } },
    ["step", "time", "tokens"].map((name) => el("option", { value: name }, t("axis." + name))));
  const isLog = el("input", { type: "checkbox", onchange: () => { view.isLog = isLog.checked; drawCurves(parts.curves, shown(), view); } });
  return el("div.row.controls", {}, el("label.short", {}, t("smoothing"), smoothing), el("label.short", {}, t("axis"), axis),
    el("label.check", {}, isLog, t("log.scale")));
}

function drawAll() {
  drawList();
  const all = shown();
  drawCurves(parts.curves, all, view);
  drawSamples(parts.samples, all, view);
  drawScores(parts.scores, all);
  drawConfiguration(parts.configuration, all, view);
}

// MARK: - The list

function drawList() {
  const focus = document.activeElement?.dataset?.run;
  replace(list, [...runs.values()].map((run) => {
    const box = el("input", { type: "checkbox", checked: chosen.has(run.name), data: { run: run.name }, onchange: async () => {
      if (box.checked) chosen.add(run.name);
      else chosen.delete(run.name);
      await load(run);
      drawAll();
    } });
    box.style.accentColor = run.colour;
    const last = run.evaluations && evaluationsOf(run).at(-1);
    const bar = el("i");
    bar.style.width = (run.steps_planned ? Math.min(100, (100 * run.step) / run.steps_planned) : 0) + "%";
    bar.style.background = run.colour;
    return el("div.run", { class: run.running ? "running" : "" },
      el("label.check", {}, box, el("b", {}, run.name)),
      el("span.state", {}, t(run.stopping && run.running ? "stopping" : run.running ? "running" : run.finished ? "finished" : "paused")),
      el("span.track", { title: t("progress", { n: number(run.step), of: number(run.steps_planned) }) }, bar),
      el("span.number.small", {}, t("progress", { n: number(run.step), of: number(run.steps_planned) })),
      el("span.number.small", {}, `${t("loss")} ${significant(run.loss)}`),
      el("span.number.small", {}, last ? `${t("validation")} ${significant(last.loss)}` : ""),
      run.running ? el("button.danger", { type: "button", disabled: Boolean(run.stopping), onclick: () => stop(run) }, t("run.stop")) : el("span"));
  }));
  if (focus) [...list.querySelectorAll("input")].find((box) => box.dataset.run === focus)?.focus();
}

async function stop(run) {
  if (!confirm(t("run.stop.sure", { name: run.name }))) return;
  try {
    await postJSON(`/api/runs/${encodeURIComponent(run.name)}/stop`, {});
    run.stopping = true;
    toast(t("run.stop.asked", { name: run.name }));
  } catch (error) {
    toast(t("error", { why: error.message }));
  }
  drawList();
}

// MARK: - Loading

async function load(run) {
  const path = `/api/runs/${encodeURIComponent(run.name)}`;
  run.configuration ??= (await getJSON(path)).configuration;
  for (;;) {
    const { offset, lines, restarted, more } = await getJSON(`${path}/log?offset=${run.offset ?? 0}`);
    if (restarted) run.steps = run.evaluations = run.scores = undefined;
    addLines(run, lines);
    run.offset = offset;
    if (!more) return;
  }
}

async function refresh() {
  try {
    const { data } = await getJSON("/api/runs");
    const old = [...runs.values()].map((run) => [run.name, run.modified, run.running].join());
    for (const name of [...runs.keys()]) if (!data.some((run) => run.name === name)) runs.delete(name);
    data.forEach((found) => {
      const { steps, ...rest } = found;
      const run = runs.get(found.name) ?? { colour: colours[runs.size % colours.length] };
      runs.set(found.name, Object.assign(run, rest, { steps_planned: steps }));
    });
    if (isFirst) {
      // What is running, or else what is newest.
      const newest = data.toSorted((a, b) => b.modified - a.modified);
      for (const run of newest.filter((one, index) => one.running || index < 3)) chosen.add(run.name);
    }
    const changed = [...runs.values()].map((run) => [run.name, run.modified, run.running].join());
    await Promise.all([...chosen].map((name) => runs.get(name)).filter((run) => run && (run.running || !run.steps || isFirst)).map(load));
    if (isFirst || old.join() !== changed.join()) drawAll();
    isFirst = false;
    replace(note, data.length ? null : el("p.notice.calm", {}, t("runs.none")));
    content.hidden = data.length === 0;
  } catch (error) {
    replace(note, el("p.notice", { role: "alert" }, t("no.server", { why: error.message })));
  }
  setTimeout(refresh, document.hidden ? 15_000 : 2_000);
}

const card = (title, ...children) => el("section.card", {}, el("h2", {}, t(title)), children);
const differences = el("input", { type: "checkbox", checked: true, onchange: () => {
  view.onlyDifferences = differences.checked;
  drawConfiguration(parts.configuration, shown(), view);
} });
const content = el("div", { hidden: true }, el("section.card", { "aria-label": t("choose.runs") }, list),
  card("curves", controls(), parts.curves), card("samples", parts.samples), parts.scores,
  card("configuration", el("label.check.small", {}, differences, t("only.differences")), parts.configuration));
document.body.append(el("main.page", { id: "main" }, el("div.sheet", {},
  el("header", {}, el("h1", {}, t("runs.title")), el("p", {}, t("runs.more"))), note, content)));
refresh();

"""#
private let file43 = #"""
/** Curves, samples, scores and configurations of the runs that are chosen. */
import { lineChart } from "../chart.js";
import { el, replace } from "../dom.js";
import { number, percent, significant, t } from "../i18n.js";
import { compareConfigurations, evaluationsOf, points, smooth } from "./curves.js";

const charts = [
  ["loss", "step"], ["loss", "evaluation", "validation"], ["reward", "step"], ["learning_rate", "step"], ["gradient_norm", "step"],
  ["tokens_per_second", "step"], ["peak_memory_bytes", "step", "memory"],
];

export function drawCurves(target, runs, { smoothing, axis, isLog }) {
  const figures = [];
  for (const [name, kind, title] of charts) {
    const series = runs.flatMap((run) => {
      const scale = name === "peak_memory_bytes" ? 1e-6 : 1;
      const raw = points(run, name, axis, kind).map(([x, y]) => [x, y * scale]);
      if (!raw.length) return [];
      const line = (points, more) => ({ name: run.name, colour: run.colour, points, ...more });
      if (kind === "evaluation") return [line(raw, { dots: raw.length < 40 })];
      const isNoisy = smoothing > 0 && !["learning_rate", "peak_memory_bytes"].includes(name);
      return isNoisy ? [line(raw, { faint: true }), line(smooth(raw, smoothing))] : [line(raw)];
    });
    if (!series.length) continue;
    const figure = el("figure.chart");
    const unit = name === "peak_memory_bytes" ? " (MB)" : "";
    lineChart(figure, { title: t(title ?? name) + unit, series, log: isLog && !["learning_rate", "reward"].includes(name),
      xName: t("axis." + axis) });
    figures.push(figure);
  }
  replace(target, figures.length ? figures : el("p.quiet", {}, t("no.data")));
}

const dot = (run) => {
  const mark = el("i.dot");
  mark.style.background = run.colour;
  return mark;
};

export function drawSamples(target, runs, view) {
  const steps = [...new Set(runs.flatMap((run) => evaluationsOf(run).filter((one) => one.sample).map((one) => one.step)))]
    .sort((a, b) => a - b);
  if (!steps.length) { replace(target, el("p.quiet", {}, t("no.data"))); return; }
  const box = el("div.samples");
  const show = (index) => {
    replace(box, runs.map((run) => {
      const one = evaluationsOf(run).findLast((evaluation) => evaluation.step <= steps[index] && evaluation.sample);
      return one && el("figure", {}, el("figcaption.small", {}, dot(run), el("b", {}, run.name), " · ",
        t("samples.at", { n: number(one.step), loss: significant(one.loss) })), el("blockquote", {}, one.sample));
    }));
  };
  const at = view.sample === null ? steps.length - 1 : Math.min(view.sample, steps.length - 1);
  const slider = el("input", { type: "range", min: "0", max: String(steps.length - 1), value: String(at), "aria-label": t("step"),
    oninput: () => { view.sample = Number(slider.value) === steps.length - 1 ? null : Number(slider.value); show(Number(slider.value)); } });
  replace(target, steps.length > 1 ? slider : null, box);
  show(at);
}

export function drawScores(target, runs) {
  const rows = runs.flatMap((run) => (run.scores ?? []).map((score) => ({ run, score })));
  if (!rows.length) { replace(target); return; }
  replace(target, el("section.card", {}, el("h2", {}, t("scores")), el("div.wide", {}, el("table.data", {},
    el("thead", {}, el("tr", {}, [t("run"), t("task"), t("step"), t("accuracy")].map((name) => el("th", {}, name)))),
    el("tbody", {}, rows.map(({ run, score }) => el("tr", {}, el("td", {}, dot(run), run.name), el("td", {}, score.task),
      el("td.number", {}, number(score.step)), el("td", {}, `${percent(score.right / score.questions)} `,
        el("span.small.quiet", {}, `(${number(score.right)} / ${number(score.questions)})`)))))))));
}

export function drawConfiguration(target, runs, { onlyDifferences }) {
  const rows = compareConfigurations(runs.filter((run) => run.configuration))
    .filter((row) => !onlyDifferences || runs.length < 2 || row.differs);
  if (!rows.length) { replace(target, el("p.quiet", {}, t("no.differences"))); return; }
  replace(target, el("div.wide", {}, el("table.data", {},
    el("thead", {}, el("tr", {}, el("th", {}, t("option")), runs.map((run) => el("th", {}, dot(run), run.name)))),
    el("tbody", {}, rows.map((row) => el("tr", { class: row.differs && runs.length > 1 ? "differs" : "" }, el("td.mono.small", {}, row.name),
      row.options.map((option) => el("td", {}, option ? el("span.mono.small", {}, text(option.value)) : "–",
        option?.origin ? el("span.origin", {}, option.origin) : null))))))));
}

const text = (value) => (typeof value === "string" ? value : JSON.stringify(value));

"""#
private let file44 = #"""
/** The bar on top of every page: pages, language, light or dark, key. */
import { el, icon, iconButton, replace } from "./dom.js";
import { apiKey, setApiKey } from "./api.js";
import { language, setLanguage, t } from "./i18n.js";

const pages = [["/", "nav.chat"], ["/playground", "nav.playground"], ["/inspect", "nav.inspect"], ["/runs", "nav.runs"]];

function bird() {
  const svg = icon("");
  svg.setAttribute("viewBox", "0 0 32 32");
  svg.firstChild.setAttribute(
    "d", "M2 9c6 0 10 2 12.5 5.5C17 9 22 5 30 4c-2 6-5 10-9.5 12.5 1 4-.5 8.5-4.5 11.5l-1-8C9 19 4.5 15 2 9z");
  return svg;
}

function dark() {
  const set = document.documentElement.dataset.theme;
  return set ? set === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

const theme = localStorage.getItem("martlet-theme");
if (theme) document.documentElement.dataset.theme = theme;

function askForKey() {
  if (document.querySelector("dialog[open]")) return;
  const field = el("input", { type: "password", value: apiKey(), autocomplete: "off", id: "api-key" });
  const dialog = el("dialog", { onclose: () => dialog.remove() },
    el("form", { method: "dialog", onsubmit: () => { setApiKey(field.value.trim()); location.reload(); } },
      el("h2", {}, t("key.title")),
      el("label.field", {}, el("span", {}, t("key.hint")), field),
      el("footer", {}, el("button", { type: "button", onclick: () => dialog.close() }, t("cancel")),
        el("button.primary", { type: "submit" }, t("save")))));
  document.body.append(dialog);
  dialog.showModal();
}

/**
 * Puts the bar at the top of the page.
 * @param {string} current the path of this page
 * @param {Node[]} leading what stands before the brand, as a button for a drawer
 */
export function shell(current, { leading = [], trailing = [] } = {}) {
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  document.title = (current === "/" ? "" : t(pages.find((page) => page[0] === current)[1]) + " · ") + "Martlet";
  const links = pages.map(([path, name]) =>
    el("a", { href: path, "aria-current": path === current ? "page" : null }, t(name)));
  const shade = iconButton(dark() ? "sun" : "moon", t("theme"), () => {
    const next = dark() ? "light" : "dark";
    document.documentElement.dataset.theme = next;
    localStorage.setItem("martlet-theme", next);
    replace(shade, icon(next === "dark" ? "sun" : "moon"));
    document.dispatchEvent(new Event("martlet-theme"));
  });
  const other = language === "zh" ? "en" : "zh";
  document.body.prepend(
    el("a.skip", { href: "#main" }, t("skip")),
    el("header.bar", {}, leading,
      el("a.brand", { href: "/", "aria-label": "Martlet" }, bird(), el("span", {}, "Martlet")),
      el("nav", { "aria-label": t("nav") }, links), el("span.grow"), trailing,
      el("button.plain", { type: "button", lang: other, onclick: () => setLanguage(other) },
        other === "zh" ? "中文" : "EN"),
      iconButton("key", t("key.title"), askForKey), shade));
  document.addEventListener("martlet-key-needed", askForKey);
}

/** A select of models that fills itself; remembers the choice under `name`. */
export function modelSelect(list, name, onchange) {
  const stored = localStorage.getItem("martlet-model-" + name);
  const select = el("select", { "aria-label": t("model"), onchange: () => {
    localStorage.setItem("martlet-model-" + name, select.value);
    onchange?.(select.value);
  } }, list.map((model) => el("option", { value: model.id }, model.id)));
  if (list.some((model) => model.id === stored)) select.value = stored;
  return select;
}

"""#
private let file45 = #"""
/** Server-sent events from pieces of bytes, cut anywhere (WHATWG HTML, section 9.2.6). */
export class EventParser {
  #decoder = new TextDecoder();
  #rest = "";
  #data = [];
  #type = "";

  /** @param {Uint8Array} bytes @returns {{type: string, data: string}[]} the events that are complete now */
  push(bytes) {
    this.#rest += this.#decoder.decode(bytes, { stream: true });
    const events = [];
    for (;;) {
      const cut = this.#rest.search(/[\r\n]/);
      if (cut < 0) break;
      // A carriage return at the very end may be half of a pair.
      if (this.#rest[cut] === "\r" && cut === this.#rest.length - 1) break;
      const line = this.#rest.slice(0, cut);
      const width = this.#rest[cut] === "\r" && this.#rest[cut + 1] === "\n" ? 2 : 1;
      this.#rest = this.#rest.slice(cut + width);
      this.#line(line, events);
    }
    return events;
  }

  #line(line, events) {
    if (line === "") {
      if (this.#data.length) events.push({ type: this.#type || "message", data: this.#data.join("\n") });
      this.#data = [];
      this.#type = "";
      return;
    }
    if (line.startsWith(":")) return;
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    let value = colon < 0 ? "" : line.slice(colon + 1);
    if (value.startsWith(" ")) value = value.slice(1);
    if (field === "data") this.#data.push(value);
    else if (field === "event") this.#type = value;
  }
}

"""#
private let file46 = #"""
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Martlet</title>
<link rel="icon" href="/ui/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/ui/css/base.css">
<link rel="stylesheet" href="/ui/css/playground.css">
<script type="module" src="/ui/js/playground/main.js"></script>
</head>
<body>
<noscript>Martlet's pages need JavaScript. The API at /v1 does not.</noscript>
</body>
</html>

"""#
private let file47 = #"""
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Martlet</title>
<link rel="icon" href="/ui/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/ui/css/base.css">
<link rel="stylesheet" href="/ui/css/chart.css">
<link rel="stylesheet" href="/ui/css/runs.css">
<script type="module" src="/ui/js/runs/main.js"></script>
</head>
<body>
<noscript>Martlet's pages need JavaScript. The API at /v1 does not.</noscript>
</body>
</html>

"""#
