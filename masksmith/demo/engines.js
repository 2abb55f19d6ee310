// What runs networks: ONNX Runtime for .onnx files, LiteRT for .tflite files. Both look alike from outside:
//   inputs: [{name, dtype, shape}], open(k): the array of an input, close(k): it is filled,
//   run(): {data, dims}, an array that lasts until the next run, release().

const ENGINES = "/engines/";
let onnx = null, lite = null;

async function withOnnx(source, where) {
  const wanted = `${ENGINES}ort.${where === "webgpu" ? "webgpu" : "wasm"}.min.mjs`;
  if (!onnx || onnx.from !== wanted) {
    if (onnx) throw new Error("the engine is chosen once for each worker");
    onnx = { from: wanted, api: await import(wanted) };
    onnx.api.env.wasm.numThreads = 1;
    onnx.api.env.wasm.wasmPaths = ENGINES;
    onnx.api.env.logLevel = "fatal";
  }
  const session = await onnx.api.InferenceSession.create(typeof source === "string" ? source : new Uint8Array(source), {
    executionProviders: [where === "webgpu" ? "webgpu" : "wasm"],
    graphOptimizationLevel: "all",
  });
  const inputs = session.inputMetadata.map(({ name, type, shape }) => ({ name, dtype: type, shape }));
  const feeds = {}, arrays = [];
  let last = null;
  return {
    inputs,
    // lengths that the file leaves open are known only after a look at its inputs
    prepare(shapes) {
      inputs.forEach(({ name, dtype }, k) => {
        const length = shapes[k].reduce((a, b) => a * b, 1);
        arrays[k] = dtype === "uint8" ? new Uint8Array(length) : new Float32Array(length);
        feeds[name] = new onnx.api.Tensor(dtype, arrays[k], shapes[k]);
      });
    },
    open: (k) => arrays[k],
    close() {},
    async run() {
      last?.dispose();
      last = (await session.run(feeds))[session.outputNames[0]];
      return { data: last.location === "cpu" ? last.data : await last.getData(), dims: last.dims };
    },
    release: () => session.release(),
  };
}

// (module (func (result v128) (i8x16.relaxed_swizzle (i8x16.splat (i32.const 1)) (i8x16.splat (i32.const 2)))))
const RELAXED = [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 15, 1, 13, 0, 65, 1, 253, 15,
  65, 2, 253, 15, 253, 128, 2, 11];

async function liteModule() {
  const said = [];
  // relaxed SIMD has fused multiply-adds
  const name = WebAssembly.validate(new Uint8Array(RELAXED)) ? "litert_wasm_internal" : "litert_wasm_compat_internal";
  importScripts(`${ENGINES}${name}.js`);
  const wasm = await self.ModuleFactory({
    locateFile: (file) => ENGINES + file,
    print() {},
    printErr: (text) => { said.push(text); said.splice(0, said.length - 8); },
  });
  return { wasm, env: wasm.LiteRtEnvironment.create(null), said };
}

function listed(vector) {
  const made = Array.from({ length: vector.size() }, (_, k) => vector.get(k));
  vector.delete();
  return made;
}

async function withLite(source) {
  const bytes = typeof source === "string" ? await (await fetch(source)).arrayBuffer() : source;
  lite ||= await liteModule();
  const { wasm, env, said } = lite;
  const host = wasm.LiteRtTensorBufferType.HOST_MEMORY, mode = wasm.LiteRtTensorBufferLockMode;
  const place = wasm._malloc(bytes.byteLength);
  wasm.HEAPU8.set(new Uint8Array(bytes), place);
  let model, compiled;
  try {
    model = wasm.loadModel(env, place, bytes.byteLength);
    const options = { accelerator: "wasm", cpuOptions: { numThreads: 1 }, gpuOptions: {}, webNNOptions: {} };
    compiled = await wasm.compileModel(env, model, options);
  } catch (fault) {
    const reason = said.filter((text) => /^error/i.test(text)).pop();
    throw new Error(reason || `LiteRT refuses the file (${(fault && fault.message) || fault})`);
  }
  const about = (type) => ({ dtype: { 1: "float32", 3: "uint8" }[type.elementType().value], shape: listed(type.layout().dimensions()) });
  const signature = model.getSignature(0);
  const inputs = [], buffers = [];
  listed(signature.inputNames()).forEach((name, k) => {
    const type = model.getInputTensorType(0, k);
    inputs.push({ name, ...about(type) });
    buffers.push(wasm.LiteRtTensorBuffer.createManaged(env, host, type, type.bytes()));
  });
  const result = about(model.getOutputTensorType(0, 0));
  const view = (dtype, at, shape) => {
    const length = shape.reduce((a, b) => a * b, 1); // memory may have grown and moved: a new view each time
    return dtype === "uint8" ? new Uint8Array(wasm.HEAPU8.buffer, at, length) : new Float32Array(wasm.HEAPU8.buffer, at, length);
  };
  let outputs = [];
  const drop = () => {
    outputs.forEach((buffer, k) => { if (k === 0) buffer.unlock(); buffer.delete(); });
    outputs = [];
  };
  return {
    inputs,
    prepare() {},
    open: (k) => view(inputs[k].dtype, buffers[k].lock(mode.WRITE), inputs[k].shape),
    close: (k) => buffers[k].unlock(),
    async run() {
      drop();
      outputs = await compiled.run(0, buffers);
      return { data: view(result.dtype, outputs[0].lock(mode.READ), result.shape), dims: result.shape };
    },
    release() {
      drop();
      for (const held of [...buffers, compiled, model]) held.delete();
      wasm._free(place);
    },
  };
}
