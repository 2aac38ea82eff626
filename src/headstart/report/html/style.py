"""How a report looks: on a desk, on a phone, in the dark and on paper."""

from __future__ import annotations

#: Charts are drawn twice, at these widths in pixels; the page shows the one that fits.
WIDE, NARROW = 720, 340

#: Text on paper has a contrast of at least 4.5 to 1; so has ink on the strongest shade of a cell.
LIGHT = {
    "paper": "#ffffff",
    "soft": "#f4f6f7",
    "ink": "#1b242d",
    "muted": "#5a6772",
    "line": "#dfe4e8",
    "hit": "#0b5d7a",
    "miss": "#b03420",
    "hit-shade": "96 163 188",
    "miss-shade": "226 142 124",
}
DARK = {
    "paper": "#12171b",
    "soft": "#1a2127",
    "ink": "#e8ecef",
    "muted": "#9caab5",
    "line": "#2c363e",
    "hit": "#67bcd8",
    "miss": "#f09078",
    "hit-shade": "18 96 124",
    "miss-shade": "150 56 38",
}


def _variables(colours: dict[str, str]) -> str:
    return "".join(f"--{name}:{value};" for name, value in colours.items())


STYLE = (
    f":root{{{_variables(LIGHT)}}}\n"
    f"@media screen and (prefers-color-scheme:dark){{:root{{color-scheme:dark;{_variables(DARK)}}}}}\n"
    """
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);line-height:1.6;
 font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue","Noto Sans",sans-serif}
main{max-width:68rem;margin:0 auto;padding:clamp(1.5rem,5vw,4.5rem) clamp(1rem,4vw,2.5rem) 4rem}
.n,.counts td,svg{font-variant-numeric:tabular-nums}
.n{white-space:nowrap}
bdi,code,.detail{overflow-wrap:anywhere}
.kicker{margin:0 0 1rem;color:var(--muted);font-size:.9375rem}
h1{margin:0;max-width:24em;font-size:clamp(1.625rem,1.2rem + 1.9vw,2.5rem);line-height:1.2;font-weight:600;
 letter-spacing:-.018em;text-wrap:balance;overflow-wrap:anywhere}
h1.long{font-size:clamp(1.375rem,1.15rem + 1vw,1.875rem);line-height:1.3}
.lead{margin:1.25rem 0 0;max-width:42rem;font-size:1.125rem;line-height:1.55}
h2{margin:0 0 .75rem;font-size:1.375rem;line-height:1.3;font-weight:600;letter-spacing:-.01em}
h3{margin:2rem 0 .5rem;font-size:1rem;font-weight:600}
section{margin-top:3.5rem;padding-top:1.75rem;border-top:1px solid var(--line)}
p,ul{margin:0 0 .875rem;max-width:42rem}
ul{padding-left:1.25rem}
li{margin:.25rem 0}
.quiet,figcaption{color:var(--muted);font-size:.875rem;line-height:1.5}
a{color:var(--hit);text-decoration-thickness:1px;text-underline-offset:.2em}
nav{display:flex;flex-wrap:wrap;gap:.25rem 1.375rem;margin-top:2.25rem;font-size:.9375rem}
nav a{text-decoration:none}
nav a:hover{text-decoration:underline}
:focus-visible{outline:2px solid var(--hit);outline-offset:2px}

.key{display:flex;flex-wrap:wrap;gap:1.25rem 2.75rem;margin:2.25rem 0 0}
.key div{min-width:6rem}
.key dt{color:var(--muted);font-size:.875rem}
.key dd{margin:0;font-size:1.375rem;line-height:1.4;font-weight:600}
.key small{display:block;font-size:.875rem;font-weight:400;color:var(--muted)}
.facts{display:grid;grid-template-columns:minmax(7rem,max-content) 1fr;gap:.375rem 1.5rem;margin:0;max-width:48rem}
.facts dt{color:var(--muted)}
.facts dd{margin:0;overflow-wrap:anywhere}

.scroll{overflow-x:auto;margin:0 0 1rem;-webkit-overflow-scrolling:touch}
table{border-collapse:collapse;font-size:.9375rem;line-height:1.4}
th{font-weight:500;text-align:left;vertical-align:bottom}
thead th{color:var(--muted);font-size:.8125rem}
tbody th{vertical-align:top}
th,td{padding:.5rem 1.25rem .5rem 0;border-bottom:1px solid var(--line)}
th:last-child,td:last-child{padding-right:0}
td{vertical-align:top}
.r{text-align:right}
tbody tr:last-child th,tbody tr:last-child td{border-bottom:0}
.mark{display:inline-block;margin:0 .125rem 0 .25rem;padding:0 .4375rem;color:var(--hit);font-size:.75rem;
 font-weight:500;line-height:1.45;border:1px solid currentColor;border-radius:1rem;white-space:nowrap;
 vertical-align:.0625rem}
.mark.solid{background:var(--hit);border-color:var(--hit);color:var(--paper)}
.under{display:block;color:var(--muted);font-size:.8125rem;font-weight:400}

.networks{width:100%}
.networks tbody th{font-weight:600}
.networks .interval{width:12rem}
.networks .behind{width:12rem}
.networks .interval svg{display:block;width:10.5rem;height:auto;margin-top:.25rem}
.luck{display:block;font-size:.875rem}
.classes{width:100%;max-width:46rem}
.classes .r{width:17%;padding-right:0;padding-left:1.25rem}
.meter{display:block;width:100%;min-width:3.5rem;height:3px;margin-top:.3125rem;background:var(--line)}
.meter i{display:block;height:100%;background:var(--hit)}
.counts{font-size:.8125rem}
.counts th,.counts td{border:0;padding:0}
.counts thead th{vertical-align:bottom;height:1px}
.counts thead span{display:block;writing-mode:vertical-rl;transform:rotate(180deg);margin:0 auto;padding:.375rem 0;
 max-height:9rem;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.counts tbody th{vertical-align:middle;
 position:sticky;left:0;background:var(--paper);padding-right:.75rem;text-align:right;
 max-width:9rem;overflow:hidden;text-overflow:ellipsis;white-space:nowrap;color:var(--muted)}
.counts td{min-width:2.5rem;height:2.125rem;padding:0 .3125rem;text-align:center;vertical-align:middle;
 border:1px solid var(--paper);background:rgb(var(--miss-shade) / var(--s,0));print-color-adjust:exact;
 -webkit-print-color-adjust:exact}
.counts td.right{background:rgb(var(--hit-shade) / var(--s,0));font-weight:600}
.counts td.none{background:var(--soft)}

figure{margin:1.25rem 0 1rem}
figure svg{display:block;width:100%;height:auto;overflow:visible}
figcaption{margin-top:.75rem;max-width:42rem}
.wide{max-width:720px}
.narrow,.single{max-width:340px}
.narrow{display:none}
.beside{display:flex;flex-wrap:wrap;gap:.5rem 3.5rem;align-items:flex-start}
.beside figure{flex:0 0 340px;max-width:100%;margin-top:.5rem}
.beside>div{flex:1 1 18rem;max-width:30rem}
svg text{font-size:12px;fill:var(--muted)}
svg .name{fill:var(--ink)}
svg .grid{stroke:var(--line);stroke-width:1}
svg .axis{stroke:var(--muted);stroke-width:1}
svg .even{stroke:var(--muted);stroke-width:1.25;stroke-dasharray:4 4}
svg .bar{stroke:var(--hit);stroke-width:2}
svg .dim{stroke:var(--muted);stroke-width:2}
svg .dot{fill:var(--hit);stroke:var(--paper);stroke-width:1.5}
svg .ring{fill:var(--paper);stroke:var(--muted);stroke-width:2}
svg .front{fill:none;stroke:var(--hit);stroke-width:1.5;stroke-opacity:.55}
svg .bubble{fill:var(--hit);fill-opacity:.5;stroke:var(--hit);stroke-width:1.25}
svg .gap{stroke:var(--miss);stroke-width:1.5}
svg .curve{fill:none;stroke:var(--hit);stroke-width:2}
svg .ahead{fill:none;stroke:var(--hit);stroke-width:2;stroke-dasharray:5 5}
svg .band{fill:var(--hit);fill-opacity:.16}
svg .band.far{fill-opacity:.08}

.photos{display:grid;grid-template-columns:repeat(auto-fill,minmax(8.5rem,1fr));gap:1.5rem 1.25rem;margin:1.25rem 0 0;
 padding:0;max-width:none;list-style:none}
.photos li{margin:0;font-size:.875rem;line-height:1.4;overflow-wrap:anywhere}
.photos .tile{display:flex;align-items:center;justify-content:center;height:8.5rem;margin-bottom:.5rem;
 background:var(--soft)}
.photos img{display:block;max-width:100%;max-height:100%}
.photos .gone{border:1px dashed var(--muted);color:var(--muted);text-align:center;padding:.5rem;font-size:.8125rem}
.photos .said{color:var(--miss);font-weight:500}
.photos .under{margin-top:.125rem}
pre{margin:0 0 1rem;padding:1rem 1.125rem;background:var(--soft);font-size:.875rem;line-height:1.6;
 white-space:pre-wrap;overflow-wrap:anywhere}
code{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace}
.detail{white-space:pre-wrap}
footer{margin-top:3.5rem;padding-top:1rem;border-top:1px solid var(--line)}

@media screen and (max-width:760px){
 .wide{display:none}
 .narrow{display:block}
 .key{display:grid;grid-template-columns:1fr 1fr;gap:1.25rem}
 .key div{min-width:0}
 .facts{grid-template-columns:1fr;gap:0}
 .facts dd{margin-bottom:.625rem}
 .photos{grid-template-columns:repeat(auto-fill,minmax(8rem,1fr));gap:1.25rem 1rem}
 .classes{font-size:.875rem}
 .classes .r{padding-left:.875rem}
 section{margin-top:2.75rem}
 .networks,.networks tbody{display:block}
 .networks thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
 .networks tr{display:grid;grid-template-columns:repeat(3,1fr);gap:.625rem .75rem;padding:1rem 0;
  border-bottom:1px solid var(--line)}
 .networks tr:last-child{border-bottom:0}
 .networks th,.networks td{display:block;padding:0;border:0;text-align:left}
 .networks tbody th,.networks .interval,.networks .behind{grid-column:1/-1}
 .networks .interval{width:auto;display:flex;justify-content:space-between;align-items:center}
 .networks .behind{width:auto}
 .networks td:empty{display:none}
 .networks .rank{display:none}
 .networks tbody th::before{content:attr(data-rank) ". "}
 .networks td[data-label]::before{content:attr(data-label);display:block;color:var(--muted);font-size:.8125rem}
}
@page{size:A4;margin:16mm 15mm}
@media print{
 html{font-size:12.5px}
 body{line-height:1.45}
 main{max-width:none;padding:0}
 nav{display:none}
 h1{font-size:20pt}
 h1.long{font-size:16pt}
 section{margin-top:1.75rem;padding-top:1.25rem}
 h2,h3,section>.quiet{break-after:avoid}
 tr,figure,li,.key,pre,.counts,#cost,#calibration,#learning{break-inside:avoid}
 thead{display:table-header-group}
 p{orphans:3;widows:3}
 p,ul,figcaption{max-width:none}
 .scroll{overflow:visible}
 .wide{max-width:600px}
 .beside{flex-wrap:nowrap}
 .beside figure{flex-basis:290px}
 th,td{padding-right:.75rem}
 .counts td{min-width:2rem;height:1.75rem;padding:0 .125rem}
 .meter i,.mark.solid,.photos .tile,pre{print-color-adjust:exact;-webkit-print-color-adjust:exact}
 .photos{grid-template-columns:repeat(6,1fr);gap:1rem .875rem}
 .photos .tile{height:7rem}
 .networks .interval,.networks .behind{width:9.5rem}
 .networks .interval svg{width:8.75rem}
}
"""
)
