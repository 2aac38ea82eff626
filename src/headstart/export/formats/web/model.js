"use strict";
/* A TensorFlow.js graph model on one thread of WebAssembly; nothing is requested. */

const model = {
  /** Bytes of a text in base64. */
  bytes(text) {
    const binary = atob(text);
    const found = new Uint8Array(binary.length);
    for (let i = 0; i < found.length; i++) found[i] = binary.charCodeAt(i);
    return found;
  },

  /**
   * Start TensorFlow.js and read a model.
   * wasm, weights: Uint8Array; description: the content of model.json.
   */
  async open(wasm, description, weights) {
    tf.env().set("WASM_HAS_MULTITHREAD_SUPPORT", false);
    // TensorFlow.js asks its platform for the compiled part by name; it gets what is in memory.
    tf.env().platform.fetch = async () => new Response(wasm);
    tf.wasm.setWasmPath("tfjs-backend-wasm-simd.wasm", true);
    if (!await tf.setBackend("wasm")) throw new Error("WebAssembly with SIMD does not start");
    const { weightsManifest, ...rest } = description;
    const specs = weightsManifest.flatMap((group) => group.weights);
    const artifacts = { ...rest, weightSpecs: specs, weightData: weights.buffer };
    model.graph = await tf.loadGraphModel({ load: async () => artifacts });
  },

  /** Probabilities of each picture; pixels: Uint8Array (n, height, width, 3), RGB. */
  predict(pixels, height, width) {
    const shape = [pixels.length / (3 * height * width), height, width, 3];
    const found = tf.tidy(() => {
      const answer = model.graph.predict(tf.tensor4d(Int32Array.from(pixels), shape, "int32"));
      return [answer.shape, answer.dataSync()];
    });
    const classes = found[0][1];
    return Array.from({ length: shape[0] }, (_, i) => Array.from(found[1].subarray(i * classes, (i + 1) * classes)));
  },
};
