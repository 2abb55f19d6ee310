"""The look of the report beyond the shared frame: figures, plots, stages and clips."""

CSS = """
:root { --s0: #0f766e; --s1: #b4531a; --s2: #3557c9; --s3: #a3197f; --s4: #7a6a00; --s5: #5b6570; }
@media screen and (prefers-color-scheme: dark) {
  :root { --s0: #4fd1b8; --s1: #f0a36b; --s2: #8ea8ff; --s3: #f08ad4; --s4: #d9c74a; --s5: #b3bcc6; }
}
.figure { font-size: 92px; line-height: .95; font-weight: 400; letter-spacing: -.03em; color: var(--accent); }
header.top { border-bottom: 1px solid var(--rule); padding-bottom: 28px; }
.hero { display: flex; flex-wrap: wrap; align-items: flex-end; gap: 6px 28px; margin-top: 26px; }
.hero > div { min-width: 0; }
.hero div p { margin: 0; color: var(--soft); font-size: 15px; }
.hero div p:first-child { color: var(--ink); font-size: 17px; }
.rivals { display: flex; flex-wrap: wrap; gap: 18px 44px; margin-top: 22px; }
.rival { border-left: 4px solid var(--c); padding-left: 14px; min-width: 0; }
.rival strong, .rival span { display: block; font-size: 14px; font-weight: 500; overflow-wrap: anywhere; }
.rival span { color: var(--soft); }
.rival .score {
  font-family: ui-serif, "Iowan Old Style", Palatino, Georgia, serif; font-size: 56px; line-height: 1.1;
  font-weight: 400; letter-spacing: -.02em; color: var(--c);
}
td.best .why { font-weight: 400; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(300px, 100%), 1fr)); gap: 16px; }
.cards.even { grid-template-columns: repeat(auto-fit, minmax(min(400px, 100%), 1fr)); }
.card h3 { margin: 0 0 8px; font-size: 14px; font-weight: 600; }
.card .aside { font-size: 12.5px; color: var(--soft); margin: 6px 0 4px; line-height: 1.4; }
.says {
  font-size: 12.5px; color: var(--soft); margin: 6px 0 4px; line-height: 1.4; min-height: 2.8em;
  overflow-wrap: anywhere;
}
svg.plot { display: block; width: 100%; height: auto; }
svg.named, svg.trace { cursor: crosshair; touch-action: pan-y; }
svg text { fill: var(--faint); font-size: 10px; }
svg .label { fill: var(--soft); font-size: 10.5px; }
svg .name { fill: var(--ink); font-size: 10px; }
.grid { stroke: var(--rule); stroke-width: 1; fill: none; }
.axis { stroke: var(--faint); stroke-width: 1; }
.line { stroke: var(--accent); stroke-width: 2; fill: none; stroke-linejoin: round; }
.fill { fill: var(--tint); }
.bar { fill: var(--accent); opacity: .78; }
.mark { stroke: var(--mark); stroke-width: 1.2; stroke-dasharray: 3 3; fill: none; }
.dots { stroke: var(--accent); stroke-linecap: round; fill: none; }
.ring { fill: none; stroke: var(--mark); stroke-width: 2; visibility: hidden; }
.ring.shown { visibility: visible; }
.s0 { --c: var(--s0); } .s1 { --c: var(--s1); } .s2 { --c: var(--s2); }
.s3 { --c: var(--s3); } .s4 { --c: var(--s4); } .s5 { --c: var(--s5); }
svg .s { stroke: var(--c); stroke-width: 2; fill: none; stroke-linejoin: round; stroke-linecap: round; }
svg .spot { fill: var(--c); stroke: var(--card); stroke-width: 1.5; }
svg.dot { width: 160px; height: 16px; display: block; margin-left: auto; }
svg.dot circle { fill: var(--accent); }
.range { stroke: var(--accent); stroke-width: 5; opacity: .34; stroke-linecap: round; }
.whisker { stroke: var(--ink); stroke-width: 1.5; }
svg .thin { stroke-width: 1.4; }
.base { stroke: var(--rule); stroke-width: 1; }
.keys {
  display: flex; flex-wrap: wrap; gap: 4px 16px; font-size: 12.5px; color: var(--soft); margin: 4px 0 6px;
  padding: 0; list-style: none;
}
.keys li { overflow-wrap: anywhere; min-width: 0; }
.keys i { display: inline-block; width: 14px; height: 3px; border-radius: 2px; background: var(--c); margin-right: 6px;
  vertical-align: 3px; }
.sorts thead th { white-space: normal; }
.sorts td:first-child { min-width: 96px; }
th button {
  font: inherit; color: inherit; background: none; border: 0; padding: 0; margin: 0; cursor: pointer;
  text-align: inherit; white-space: inherit;
}
th button::after { content: "\\2195"; opacity: .4; margin-left: 4px; font-size: 11px; }
th[aria-sort=ascending] button::after { content: "\\2191"; opacity: 1; }
th[aria-sort=descending] button::after { content: "\\2193"; opacity: 1; }
tbody tr.lead-row td { font-weight: 600; }
tbody tr.lead-row td .why { font-weight: 400; }
.why { display: block; color: var(--soft); font-size: 13px; line-height: 1.4; max-width: 60ch; }
.why code { font-size: 12px; }
td.pair { color: var(--soft); white-space: nowrap; margin: 0; }
.drawn { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(320px, 100%), 1fr)); gap: 16px; }
.drawn figure { background: #fff; border: 1px solid var(--rule); border-radius: 10px; padding: 12px; }
.drawn figure.broad { grid-column: 1 / -1; }
.drawn img { background: #fff; border-radius: 0; }
.drawn figcaption { color: #565e67; }
td.best { font-weight: 650; color: var(--accent); }
.legend {
  display: flex; flex-wrap: wrap; gap: 6px 20px; font-size: 13.5px;
  color: var(--soft); margin: 8px 0 18px; padding: 0; list-style: none;
}
.legend i {
  display: inline-block; width: 12px; height: 12px;
  border-radius: 3px; margin-right: 7px; vertical-align: -1px;
}
.switch { display: flex; flex-wrap: wrap; gap: 8px 28px; margin: 4px 0 12px; }
.switch div { display: flex; align-items: center; flex-wrap: wrap; }
.switch span { font-size: 13px; color: var(--soft); width: 3.2em; }
.switch button {
  font: inherit; font-size: 13px; color: var(--ink); background: var(--card); border: 1px solid var(--rule);
  padding: 5px 11px; margin: 0 0 0 -1px; cursor: pointer;
}
.switch button:first-of-type { border-radius: 6px 0 0 6px; } .switch button:last-of-type { border-radius: 0 6px 6px 0; }
.switch button[aria-pressed=true] { background: var(--accent); border-color: var(--accent); color: var(--paper); }
.shots { display: grid; grid-template-columns: repeat(4, minmax(0, 1fr)); gap: 18px 16px; margin: 6px 0 26px; }
.rank { font-size: 14px; font-weight: 600; margin: 20px 0 8px; }
.stage {
  position: relative; aspect-ratio: var(--shape, 1); overflow: hidden; border-radius: 6px; background: #1e2126;
  cursor: ew-resize; touch-action: pan-y; user-select: none; -webkit-user-select: none;
  display: flex; align-items: center; justify-content: center; container-type: size;
}
.canvas { position: relative; aspect-ratio: var(--own, 1); width: min(100cqw, 100cqh * var(--own, 1)); }
.canvas img { position: absolute; inset: 0; width: 100%; height: 100%; border-radius: 0; background: none; }
.layer { display: none; --cut: calc(50% + (var(--q) - .5) * 100cqw); }
.layer.on-left, .layer.on-right { display: block; }
.layer.on-left { clip-path: polygon(0 0, var(--cut) 0, var(--cut) 100%, 0 100%); }
.layer.on-right { clip-path: polygon(var(--cut) 0, 100% 0, 100% 100%, var(--cut) 100%); }
.hand {
  position: absolute; top: 0; bottom: 0; left: calc(var(--q) * 100%); width: 2px; margin-left: -1px; background: #fff;
  box-shadow: 0 0 3px #000a; pointer-events: none;
}
.hand::after {
  content: "\\2194"; position: absolute; top: 50%; left: 1px; transform: translate(-50%, -50%);
  width: 24px; height: 24px;
  border-radius: 50%; background: #fff; color: #1e2227; font: 15px/24px ui-sans-serif, sans-serif; text-align: center;
  box-shadow: 0 1px 4px #0008;
}
.side {
  position: absolute; bottom: 5px; font-size: 11px; font-weight: 500; color: #fff; background: #000a; padding: 0 6px;
  border-radius: 3px; line-height: 1.6; pointer-events: none; transition: opacity .15s;
}
.side.left { left: 5px; } .side.right { right: 5px; }
.ends-left .side.left, .ends-right .side.right { opacity: 0; }
dialog.large {
  border: 0; padding: 14px; border-radius: 10px; background: var(--card); color: var(--ink); width: min(94vw, 1000px);
  max-width: none; max-height: 96vh; overflow: auto;
}
dialog.large::backdrop { background: #000b; }
dialog.large .stage { aspect-ratio: var(--own, 1); max-height: 82vh; margin: 0 auto; }
dialog.large form { margin: 0; text-align: right; }
.close {
  font-size: 22px; line-height: 1; background: none; border: 0; color: var(--soft); cursor: pointer;
  padding: 2px 8px 6px;
}
.wall { display: grid; grid-template-columns: repeat(8, minmax(0, 1fr)); gap: 12px; align-items: start; }
.wall img { aspect-ratio: var(--shape, auto); object-fit: contain; }
.wall figcaption { font-size: 11.5px; }
.reels { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(420px, 100%), 1fr)); gap: 16px; }
.reel video { display: block; width: 100%; height: auto; max-height: 480px; background: #1e2126; border-radius: 6px; }
.reels > .reel:only-child { grid-template-rows: repeat(4, auto) 1fr; }
.reels > .reel:only-child { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); gap: 0 20px; }
.reel:only-child > h3, .reel:only-child > .aside { grid-column: 1 / -1; }
.reel:only-child video { grid-row: 2 / span 4; align-self: start; }
.reel:only-child .now { margin-top: 0; }
.reel h3 { overflow-wrap: anywhere; }
.reel .now { font-size: 12.5px; color: var(--soft); margin: 8px 0 0; min-height: 1.4em; }
.cursor { stroke: var(--mark); stroke-width: 1.5; }
footer { overflow-wrap: anywhere; }
@media (max-width: 860px) {
  .reels > .reel:only-child { display: block; }
  .wall { grid-template-columns: repeat(6, minmax(0, 1fr)); }
  .shots { grid-template-columns: repeat(2, minmax(0, 1fr)); } }
@media (max-width: 560px) {
  .figure { font-size: 72px; }
  svg.trace text { font-size: 13px; }
  .hero { margin-top: 20px; }
  .plotted, .loose { display: none; }
  td.pair, thead th { white-space: normal; }
  .wall { grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 8px; }
  .shots { gap: 16px 10px; }
  .switch button { padding: 6px 9px; font-size: 12.5px; }
  .card { padding: 12px 12px 8px; }
}
@media print {
  .hand, .side, .switch, th button::after, .now, dialog { display: none !important; }
  .stage .layer { display: none; }
  .stage .layer[data-layer=errors] { display: block !important; clip-path: none; }
  .stage, .bar, .legend i { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""
