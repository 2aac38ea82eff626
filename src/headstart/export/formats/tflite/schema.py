"""Numbers of LiteRT's schema: operators, their options, types.

https://github.com/google-ai-edge/LiteRT, `schema.fbs`; versions of operators: `op_version.cc` of TensorFlow Lite.
"""

from __future__ import annotations

from headstart.export.formats.tflite.flat import Kind

#: Numbers of types, by NumPy's names.
TYPES = {"float32": 0, "float16": 1, "int32": 2, "uint8": 3, "bool": 6}

#: Tables of options: their number, and number and kind of the fields that are used.
Options = tuple[int, dict[str, tuple[int, Kind]]]
_WINDOW: dict[str, tuple[int, Kind]] = {"padding": (0, "Int8"), "stride_w": (1, "Int32"), "stride_h": (2, "Int32")}
_ACTIVATION: dict[str, tuple[int, Kind]] = {"activation": (0, "Int8")}
_NONE: Options = (0, {})
_REDUCER: Options = (27, {"keep_dims": (0, "Bool")})
_CONVOLUTION: Options = (
    1, {**_WINDOW, "activation": (3, "Int8"), "dilation_w": (4, "Int32"), "dilation_h": (5, "Int32")}
)  # fmt: skip
_DEPTHWISE: Options = (
    2, {**_WINDOW, "multiplier": (3, "Int32"), "activation": (4, "Int8"), "dilation_w": (5, "Int32"),
        "dilation_h": (6, "Int32")}
)  # fmt: skip
_POOL: Options = (5, {**_WINDOW, "filter_width": (3, "Int32"), "filter_height": (4, "Int32")})

#: Operators: their number, and their options.
OPERATORS: dict[str, tuple[int, Options]] = {
    "ABS": (101, (78, {})),
    "ADD": (0, (11, _ACTIVATION)),
    "AVERAGE_POOL_2D": (1, _POOL),
    "BATCH_MATMUL": (126, (101, {"adj_y": (1, "Bool")})),
    "CAST": (53, (37, {"from_type": (0, "Int8"), "to_type": (1, "Int8")})),
    "CONCATENATION": (2, (10, {"axis": (0, "Int32")})),
    "CONV_2D": (3, _CONVOLUTION),
    "DEPTHWISE_CONV_2D": (4, _DEPTHWISE),
    "DEQUANTIZE": (6, (38, {})),
    "DIV": (42, (29, _ACTIVATION)),
    "EXP": (47, (33, {})),
    "FLOOR": (8, _NONE),
    "FULLY_CONNECTED": (9, (8, {"activation": (0, "Int8"), "keep_num_dims": (2, "Bool")})),
    "GELU": (150, (116, {"approximate": (0, "Bool")})),
    "GREATER_EQUAL": (62, (44, {})),
    "LOG": (73, _NONE),
    "LOGISTIC": (14, _NONE),
    "MAXIMUM": (55, (39, {})),
    "MAX_POOL_2D": (17, _POOL),
    "MEAN": (40, _REDUCER),
    "MINIMUM": (57, (39, {})),
    "MUL": (18, (21, _ACTIVATION)),
    "NEG": (59, (42, {})),
    "PAD": (34, (22, {})),
    "PADV2": (60, (43, {})),
    "POW": (78, (56, {})),
    "REDUCE_MAX": (82, _REDUCER),
    "REDUCE_MIN": (89, _REDUCER),
    "RELU": (19, _NONE),
    "RELU6": (21, _NONE),
    "RELU_N1_TO_1": (20, _NONE),
    "RESHAPE": (22, _NONE),
    "ROUND": (116, _NONE),
    "SLICE": (65, (48, {})),
    "SOFTMAX": (25, (9, {"beta": (0, "Float32")})),
    "SQRT": (75, _NONE),
    "SUB": (41, (28, _ACTIVATION)),
    "SUM": (74, _REDUCER),
    "TANH": (28, _NONE),
    "TOPK_V2": (48, (35, {})),
    "TRANSPOSE": (39, (26, {})),
}

#: Numbers of the kinds of padding.
SAME, VALID = 0, 1
