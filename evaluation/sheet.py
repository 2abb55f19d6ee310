"""The look of the report: one style sheet, light and dark, from a telephone to a wide screen."""

CSS = """
:root {
  color-scheme: light dark;
  --paper: #fbfaf7; --card: #ffffff; --ink: #1e2227; --soft: #5e6670; --faint: #8b929b; --rule: #e4e1da;
  --accent: #0f766e; --tint: #0f766e1f; --mark: #b4531a; --right: #66d6b0; --extra: #e6541e; --missed: #2d68e8;
  --other: #e2b218; --ignored: #808084;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14171a; --card: #1b1f23; --ink: #e8e6e1; --soft: #a3abb4; --faint: #7b838c; --rule: #2c3137;
    --accent: #4fd1b8; --tint: #4fd1b824; --mark: #f0a36b;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  font-variant-numeric: tabular-nums;
}
main { max-width: 1120px; margin: 0 auto; padding: 40px 28px 72px; }
h1, h2, .figure { font-family: ui-serif, "Iowan Old Style", "Palatino Linotype", Palatino, Georgia, serif; }
h1 { font-size: 29px; line-height: 1.2; font-weight: 500; margin: 4px 0 0; letter-spacing: -.01em; }
h2 { font-size: 21px; font-weight: 500; margin: 56px 0 4px; letter-spacing: -.005em; }
h1, figcaption, dd, p, td:first-child { overflow-wrap: anywhere; }
p { margin: 0 0 12px; max-width: 68ch; }
.kicker { font-size: 13px; color: var(--soft); letter-spacing: .04em; margin: 0; }
.lead { color: var(--soft); font-size: 14.5px; margin-bottom: 16px; }
header.top { border-bottom: 1px solid var(--rule); padding-bottom: 28px; }
.hero { display: flex; flex-wrap: wrap; align-items: flex-end; gap: 6px 28px; margin-top: 26px; }
.figure { font-size: 92px; line-height: .95; font-weight: 400; letter-spacing: -.03em; color: var(--accent); }
.hero div p { margin: 0; color: var(--soft); font-size: 15px; }
.hero div p:first-child { color: var(--ink); font-size: 17px; }
.notice {
  border-left: 3px solid var(--mark); background: var(--card); padding: 10px 16px; margin: 20px 0 0; font-size: 14.5px;
  max-width: none;
}
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(280px, 1fr)); gap: 16px; }
.card {
  background: var(--card); border: 1px solid var(--rule);
  border-radius: 10px; padding: 16px 16px 10px; min-width: 0;
}
.card h3 { margin: 0 0 8px; font-size: 14px; font-weight: 600; }
svg.plot { display: block; width: 100%; height: auto; }
svg text { fill: var(--faint); font-size: 10px; }
svg .label { fill: var(--soft); font-size: 10.5px; }
.grid { stroke: var(--rule); stroke-width: 1; fill: none; }
.axis { stroke: var(--faint); stroke-width: 1; }
.line { stroke: var(--accent); stroke-width: 2; fill: none; stroke-linejoin: round; }
.fill { fill: var(--tint); }
.bar { fill: var(--accent); opacity: .78; }
.mark { stroke: var(--mark); stroke-width: 1.2; stroke-dasharray: 3 3; }
.dots { stroke: var(--accent); stroke-width: 4; stroke-linecap: round; opacity: .42; fill: none; }
svg.dot { width: 160px; height: 16px; display: block; margin-left: auto; }
svg.dot circle { fill: var(--accent); }
.range { stroke: var(--accent); stroke-width: 5; opacity: .34; stroke-linecap: round; }
.base { stroke: var(--rule); stroke-width: 1; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 14.5px; }
th, td {
  text-align: right; white-space: nowrap; padding: 7px 0 7px 16px;
  border-bottom: 1px solid var(--rule); vertical-align: middle;
}
th:first-child, td:first-child { text-align: left; white-space: normal; padding-left: 0; }
thead th { color: var(--soft); font-weight: 500; font-size: 13px; vertical-align: bottom; }
tbody tr.lead-row td { font-weight: 600; }
tbody tr.lead-row td .why { font-weight: 400; }
td code { font: 13.5px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
.why { display: block; color: var(--soft); font-size: 13px; line-height: 1.4; }
td.pair { color: var(--soft); white-space: nowrap; }
.legend {
  display: flex; flex-wrap: wrap; gap: 6px 20px; font-size: 13.5px;
  color: var(--soft); margin: 8px 0 18px; padding: 0; list-style: none;
}
.legend i {
  display: inline-block; width: 12px; height: 12px;
  border-radius: 3px; margin-right: 7px; vertical-align: -1px;
}
.shots { display: grid; grid-template-columns: repeat(4, minmax(0, 1fr)); gap: 18px 16px; margin: 6px 0 26px; }
.shots figure, .wall figure { margin: 0; min-width: 0; }
.shots img, .wall img { display: block; width: 100%; height: auto; border-radius: 6px; background: #1e2126; }
.shots img, .wall img { aspect-ratio: var(--shape, auto); object-fit: contain; }
.shots .two { display: grid; grid-template-columns: 1fr 1fr; gap: 4px; margin-top: 4px; }
.shots .two b { display: block; font-size: 11px; font-weight: 400; color: var(--faint); line-height: 1.5; }
figcaption { font-size: 12.5px; color: var(--soft); margin-top: 6px; line-height: 1.4; }
figcaption strong { color: var(--ink); font-weight: 600; font-size: 14px; }
.rank { font-size: 14px; font-weight: 600; margin: 20px 0 8px; }
.wall { display: grid; grid-template-columns: repeat(8, minmax(0, 1fr)); gap: 12px; align-items: start; }
dl {
  display: grid; grid-template-columns: max-content minmax(0, 1fr);
  gap: 6px 24px; font-size: 14.5px; margin: 12px 0 0;
}
dt { color: var(--soft); } dd { margin: 0; }
footer {
  margin-top: 64px; border-top: 1px solid var(--rule);
  padding-top: 14px; color: var(--faint); font-size: 13px;
}
@media (max-width: 860px) {
  .wall { grid-template-columns: repeat(6, minmax(0, 1fr)); }
  .shots { grid-template-columns: repeat(2, minmax(0, 1fr)); } }
@media (max-width: 560px) {
  main { padding: 22px 16px 48px; }
  h1 { font-size: 23px; } h2 { margin-top: 44px; }
  .figure { font-size: 72px; }
  .hero { margin-top: 20px; }
  th, td { padding-left: 10px; }
  .plotted { display: none; }
  td.pair, thead th { white-space: normal; }
  table { font-size: 14px; }
  td:first-child { min-width: 96px; }
  dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: 10px; }
  .wall { grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 8px; }
  .shots { gap: 16px 10px; }
}
@media print { .card, figure, tr { break-inside: avoid; } body { background: #fff; } }
"""
