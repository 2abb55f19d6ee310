// A drawn clip for machines without a camera: somebody who sways before a window.

const W = 640, H = 480;

export function makeScene() {
  const canvas = new OffscreenCanvas(W, H);
  const pen = canvas.getContext("2d");
  return { canvas, width: W, height: H, draw: (seconds) => draw(pen, seconds) };
}

function draw(pen, t) {
  const wall = pen.createLinearGradient(0, 0, W, H);
  wall.addColorStop(0, "#35506b");
  wall.addColorStop(1, "#1d2a38");
  pen.fillStyle = wall;
  pen.fillRect(0, 0, W, H);
  pen.fillStyle = "#8fb6cf";
  pen.fillRect(60, 50, 190, 210);
  pen.fillStyle = "#2b3d4f";
  for (const x of [60, 150, 242]) pen.fillRect(x, 50, 8, 210);
  for (let k = 0; k < 5; k++) {
    pen.fillStyle = `hsl(${20 + 30 * k} 45% 35%)`;
    pen.fillRect(430 + 36 * k, 120 + 12 * (k % 2), 28, 140);
  }
  pen.fillStyle = "#24313d";
  pen.fillRect(420, 260, 220, 10);

  const x = W / 2 + 70 * Math.sin(t * 0.9), y = 190 + 10 * Math.sin(t * 1.7), lean = 0.08 * Math.sin(t * 0.9);
  pen.save();
  pen.translate(x, y);
  pen.rotate(lean);
  pen.fillStyle = "#d9c9a8";
  ellipse(pen, 0, 270, 165, 190);
  pen.fillStyle = "#e3b894";
  pen.fillRect(-32, 60, 64, 70);
  ellipse(pen, 0, 0, 74, 96);
  pen.fillStyle = "#c98f6a";
  ellipse(pen, 0, 46, 22, 6 + 4 * Math.abs(Math.sin(t * 4)));
  pen.fillStyle = "#f3ece0";
  ellipse(pen, -27, -8, 11, 7);
  ellipse(pen, 27, -8, 11, 7);
  pen.fillStyle = "#3b2a20";
  ellipse(pen, -27 + 3 * Math.sin(t), -8, 5, 6);
  ellipse(pen, 27 + 3 * Math.sin(t), -8, 5, 6);
  pen.fillStyle = "#e9d7a6";
  pen.beginPath();
  pen.ellipse(0, -34, 84, 74, 0, Math.PI, 2 * Math.PI);
  pen.fill();
  pen.restore();
}

function ellipse(pen, x, y, a, b) {
  pen.beginPath();
  pen.ellipse(x, y, a, b, 0, 0, 2 * Math.PI);
  pen.fill();
}
