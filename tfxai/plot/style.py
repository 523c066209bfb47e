"""How pages look: wide, narrow, dark and on paper."""

from __future__ import annotations

from tfxai.plot.kinds import scale

COLOURS = """
:root{color-scheme:light dark;--ink:#1b1b1f;--quiet:#555;--paper:#fff;--line:#ddd;--pill:#eef0f4;--strong:#1d4ed8}
@media(prefers-color-scheme:dark){
:root{--ink:#e9e9ec;--quiet:#b3b5bd;--paper:#17181c;--line:#3c3e46;--pill:#2a2c33;--strong:#8fb4ff}}
@media print{:root{--ink:#000;--quiet:#333;--paper:#fff;--line:#bbb}}
"""
TEXT = """
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);
margin:0 auto;max-width:1180px;padding:1rem}
h1{font-size:1.5rem;margin:.3rem 0}h2{font-size:1.15rem;margin:1.6rem 0 .4rem;border-bottom:1px solid var(--line)}
h3{font-size:1rem;margin:1rem 0 .2rem}
h1,h2,h3,p,figcaption{overflow-wrap:anywhere}
p{margin:.3rem 0}.quiet{color:var(--quiet);font-size:.9em}a{color:var(--strong)}
table{border-collapse:collapse;font-size:.9em}
th,td{text-align:left;padding:.25rem .7rem;border-bottom:1px solid var(--line);white-space:nowrap}
td.number{text-align:right;font-variant-numeric:tabular-nums}td.long{white-space:normal;min-width:14rem;overflow-wrap:anywhere}
.wide{overflow-x:auto}.part .wide{max-height:22rem;overflow-y:auto;margin:.6rem 0}
:focus-visible{outline:3px solid var(--strong);outline-offset:2px}
"""
PICTURES = """
.row{display:flex;flex-wrap:wrap;gap:1rem;align-items:flex-start}
.example .row{display:grid;grid-template-columns:repeat(auto-fill,minmax(13rem,1fr));margin-top:.6rem}
figure{margin:0;max-width:100%;min-width:0}figure img{max-width:100%;height:auto;display:block;background:#fff}
figcaption{font-size:.85em;color:var(--quiet)}figure .head{margin:0 0 .2rem}
.example .row:not(:has(.map)){grid-template-columns:repeat(auto-fit,minmax(min(26rem,100%),1fr))}
.row:not(:has(.map))>figure{max-width:44rem}
@media(min-width:500px){.row:has(.map)>:not(.map){grid-column:span 2}}
body:has(#m):not(:has(#m:checked)) .examples{display:flex;flex-wrap:wrap;gap:0 2rem}
body:has(#m):not(:has(#m:checked)) .example{width:min(34rem,100%)}
.part .examples{display:flex;flex-wrap:wrap;gap:0 2rem}.part .example{width:min(34rem,100%)}
.stack{position:relative;background:#fff;outline:1px solid var(--line)}
.stack>*{position:absolute;inset:0;width:100%;height:100%}
figure .stack>img{background:none;max-width:none;height:100%}
.photo{background-size:100% 100%}.under{filter:grayscale(1);opacity:.4}
.pixels,.pixels>*{image-rendering:pixelated}
.cells{display:grid}.cells i:hover{outline:1px solid #000;outline-offset:-1px}
.scale{display:flex;gap:.4rem;align-items:center;font-size:.85em;font-variant-numeric:tabular-nums;margin-top:.3rem}
.scale i{flex:1;height:.7rem;outline:1px solid var(--line)}
.lines{background:#fff;color:#111;padding:.5rem .6rem;border-radius:4px;overflow-wrap:anywhere}
"""
BARS = """
.bars table{width:100%}.bars caption{text-align:left;color:var(--quiet);font-size:.95em}
.bars td,.bars th{white-space:normal;border:0;padding:.1rem .4rem;font-weight:400;overflow-wrap:anywhere}
.bars th{padding-left:0}
.bars td.number{white-space:nowrap}.bars td.value{text-align:left;max-width:8rem}
.bars td.track{position:relative;width:50%;min-width:6rem;padding:0}
.track i{position:absolute;top:calc(50% - .5rem);height:1rem}
.track b{position:absolute;top:0;bottom:0;border-left:1px solid var(--ink)}
"""
NARROW = """
@media(max-width:520px){.bars tr{display:grid;grid-template-columns:1fr 5rem}.bars td.track{width:auto;height:1.4rem}
.bars td.value{text-align:right}}
"""
CHOICE = """
.choose{display:none}
.choose fieldset{border:0;margin:0;padding:0;display:flex;flex-wrap:wrap;gap:.3rem;align-items:center;min-width:0}
.choose legend{float:left;color:var(--quiet);font-size:.9em;min-width:5.2rem;padding:0}
.choose label{position:relative;background:var(--pill);border-radius:1rem;padding:.1rem .7rem;
font-size:.9em;cursor:pointer}
.choose input{position:absolute;inset:0;opacity:0;margin:0;cursor:pointer}
.choose label:has(:checked){background:var(--strong);color:var(--paper)}
.choose label:has(:focus-visible){outline:3px solid var(--strong);outline-offset:2px}
@supports selector(:has(a)){.choose{display:grid;gap:.4rem;background:var(--paper);padding:.6rem 0;z-index:1;
border-bottom:1px solid var(--line)}
@media(min-width:700px) and (min-height:600px){.choose{position:sticky;top:0;max-height:30vh;overflow-y:auto}}}
body:has(#picture:checked) .under{filter:none;opacity:1}body:has(#picture:checked) .over{opacity:0}
body:has(#map:checked) .under{opacity:0}
"""
PAPER = """
@page{margin:14mm}
@media print{body{max-width:none;padding:0;font-size:11px}.choose,nav{display:none!important}
h2{break-after:avoid}.example,figure,tr{break-inside:avoid}.row{gap:.6rem}
.example .row{grid-template-columns:repeat(4,1fr)}
.wide,.part .wide{overflow:visible;max-height:none}h3{break-after:avoid}
td,th{white-space:normal}*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
"""


def sheet() -> str:
    """The whole sheet, with the scales of the maps."""
    scales = "".join(f".{name}{{background:{_gradient(sign)}}}" for name, sign in SCALES.items())
    solid = f".for{{background:{scale.FOR}}}.against{{background:{scale.AGAINST}}}"
    solid += f".size{{background:{scale.css(scale.colours('positive', 1.0)['cmap'](0.75))}}}"
    return COLOURS + TEXT + PICTURES + BARS + NARROW + scales + solid + CHOICE + PAPER


SCALES = {"signed": "all", "unsigned": "positive"}


def _gradient(sign: str, stops: int = 11) -> str:
    """A colour map from left to right."""
    colours = [scale.colours(sign, 1.0)["cmap"](k / (stops - 1)) for k in range(stops)]
    return f"linear-gradient(90deg,{','.join(scale.css(c) for c in colours)})"
