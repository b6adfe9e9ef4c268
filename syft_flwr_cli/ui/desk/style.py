"""The desk's style sheet and its one script, both served from this machine.

The script asks for a page again when the server says that something changed; without it the page has a link for that.
"""

__all__ = ["SCRIPT", "STYLE"]

STYLE = """
:root{color-scheme:light dark;--bg:#fff;--fg:#1b1f24;--soft:#57606a;--line:#d1d9e0;--card:#f6f8fa;--good:#116329;
--bad:#b3261e;--warn:#7d4e00;--link:#0550ae;--act:#0550ae;--on:#fff;--add:#dafbe1;--del:#ffe5e3;
--k:#9a2a2a;--s:#0a3069;--c:#57606a;--f:#6639ba;--m:#0550ae}
@media (prefers-color-scheme:dark){:root{--bg:#0d1117;--fg:#e6edf3;--soft:#9da7b1;--line:#3d444d;--card:#151b23;
--good:#56d364;--bad:#ff8f87;--warn:#e3b341;--link:#79c0ff;--act:#79c0ff;--on:#0d1117;--add:#12361f;--del:#45191a;
--k:#ff8f87;--s:#a5d6ff;--c:#9da7b1;--f:#d2a8ff;--m:#79c0ff}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--fg);font:16px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
a{color:var(--link)}
.skip{position:absolute;left:-999px}.skip:focus{left:8px;top:8px;background:var(--bg);padding:8px;z-index:1}
header{border-bottom:1px solid var(--line);background:var(--card)}
header>div,main{max-width:1080px;margin:0 auto;padding:12px 16px}
header>div{display:flex;flex-wrap:wrap;gap:4px 20px;align-items:baseline}
header b{font-size:1.05rem}header .who{overflow-wrap:anywhere;color:var(--soft)}
nav{display:flex;flex-wrap:wrap;gap:4px 18px}nav a{padding:4px 0}
nav a[aria-current]{font-weight:600;color:var(--fg);text-decoration-thickness:3px;text-underline-offset:5px}
main{padding-bottom:64px}
h1{font-size:1.5rem;margin:20px 0 8px;overflow-wrap:anywhere}h2{font-size:1.15rem;margin:32px 0 8px}
h3{font-size:1rem;margin:16px 0 4px;overflow-wrap:anywhere}
p{margin:6px 0;max-width:75ch;overflow-wrap:anywhere}
.soft{color:var(--soft)}.good{color:var(--good)}.bad{color:var(--bad)}.warn{color:var(--warn)}
.card{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:12px 16px;margin:12px 0;min-width:0}
.card h2,.card h3{margin-top:0}
.note{border:1px solid var(--line);border-left:5px solid var(--good);border-radius:6px;padding:8px 14px;margin:12px 0}
.note.bad{border-left-color:var(--bad);color:var(--fg)}.note.warn{border-left-color:var(--warn);color:var(--fg)}
.words{font:600 1.15rem/1.6 ui-monospace,"SF Mono",Consolas,monospace;overflow-wrap:anywhere;margin:8px 0}
code{font:.88em/1.5 ui-monospace,"SF Mono",Consolas,monospace;overflow-wrap:anywhere}
pre.code{border:1px solid var(--line);border-radius:6px;background:var(--card);padding:8px 0;overflow:auto;
max-height:70vh;margin:8px 0}
pre.code code{display:block;overflow-wrap:normal;width:max-content;min-width:100%;padding:0 12px}
pre .ln{display:inline-block;width:4ch;margin-right:14px;text-align:right;color:var(--soft);user-select:none}
pre span:target{outline:2px solid var(--warn);background:var(--bg)}
.d{display:block;min-width:100%}.d.added{background:var(--add)}.d.removed{background:var(--del)}
.d.place,.d.head{color:var(--soft)}.d.head{font-weight:600}
.k,.kn,.kd,.kr,.kc,.ow,.kp{color:var(--k);font-weight:600}.s,.s1,.s2,.se,.sd,.si,.sa,.sb{color:var(--s)}
.c,.c1,.cm,.ch,.cp,.cs{color:var(--c);font-style:italic}.nf,.nc,.nd,.fm{color:var(--f)}.mi,.mf,.mh,.bp,.nb{color:var(--m)}
.wide{overflow-x:auto;border-radius:6px}
table{border-collapse:collapse;width:100%;font-size:.94rem}
th{white-space:nowrap}td{min-width:6.5rem}
th,td{text-align:left;padding:6px 12px 6px 0;border-bottom:1px solid var(--line);vertical-align:top;
overflow-wrap:anywhere}
td.num,th.num{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
dl{display:grid;grid-template-columns:minmax(110px,max-content) 1fr;gap:2px 16px;margin:8px 0}
dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere;min-width:0}
form{margin:8px 0}fieldset{border:1px solid var(--line);border-radius:6px;margin:10px 0;padding:8px 14px;min-width:0}
legend{font-weight:600;padding:0 6px}
label{display:block;margin:6px 0}label.in{display:flex;gap:8px;align-items:baseline}
input[type=text],input[type=email],select{font:inherit;color:var(--fg);background:var(--bg);
border:1px solid var(--soft);border-radius:6px;padding:7px 10px;width:100%;max-width:34rem;display:block;margin-top:2px}
button{font:inherit;font-weight:600;min-height:40px;padding:7px 16px;border-radius:6px;border:1px solid var(--act);
background:var(--bg);color:var(--act);cursor:pointer;margin:6px 8px 6px 0}
button.main{background:var(--act);color:var(--on)}button.danger{border-color:var(--bad);color:var(--bad)}
:focus-visible{outline:3px solid var(--link);outline-offset:2px}
.tag{display:inline-block;border:1px solid currentColor;border-radius:99px;padding:0 10px;font-size:.85rem;
white-space:nowrap}
summary{cursor:pointer;padding:4px 0}
ol.steps{padding-left:1.4em}ol.steps li{margin:4px 0}
@media (max-width:560px){thead{position:absolute;left:-999px}table,tbody{display:block}
tr{display:block;padding:6px 0;border-bottom:1px solid var(--line)}
td,td.num{display:grid;grid-template-columns:6.5rem 1fr;gap:0 12px;padding:2px 0;border:0;text-align:left;
white-space:normal}
td:empty{display:none}td .tag{justify-self:start}td::before{content:attr(data-label);color:var(--soft)}
dl{grid-template-columns:1fr}dd{margin-bottom:6px}button{width:100%}}
"""

SCRIPT = """
"use strict";
const live = document.getElementById("live");
if (live && window.EventSource) {
  const source = new EventSource("/events?page=" + encodeURIComponent(location.pathname + location.search));
  source.onmessage = async () => {
    if (live.contains(document.activeElement)) return;
    const answer = await fetch(location.href, {credentials: "same-origin"});
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.getElementById("live");
    if (fresh) live.replaceChildren(...fresh.childNodes);
  };
  window.addEventListener("pagehide", () => source.close());
}
"""
