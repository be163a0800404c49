package protocol

import (
	"math"
)

// datatype is the type of a tensor's values.
type datatype uint8

const (
	noDatatype datatype = iota
	boolType
	int8Type
	uint8Type
	int16Type
	uint16Type
	int32Type
	uint32Type
	int64Type
	uint64Type
	half      // FP16
	bfloat    // BF16
	single    // FP32
	double    // FP64
	bytesType // texts, each with its length before it
)

// datatypeOf is the type of a name in the Open Inference Protocol.
func datatypeOf(name []byte) datatype {
	switch string(name) {
	case "BOOL":
		return boolType
	case "INT8":
		return int8Type
	case "UINT8":
		return uint8Type
	case "INT16":
		return int16Type
	case "UINT16":
		return uint16Type
	case "INT32":
		return int32Type
	case "UINT32":
		return uint32Type
	case "INT64":
		return int64Type
	case "UINT64":
		return uint64Type
	case "FP16":
		return half
	case "BF16":
		return bfloat
	case "FP32":
		return single
	case "FP64":
		return double
	case "BYTES":
		return bytesType
	}
	return noDatatype
}

// width is how many bytes a value has; 0 for texts and for what is no type.
func (d datatype) width() int {
	switch d {
	case boolType, int8Type, uint8Type:
		return 1
	case int16Type, uint16Type, half, bfloat:
		return 2
	case int32Type, uint32Type, single:
		return 4
	case int64Type, uint64Type, double:
		return 8
	case noDatatype, bytesType:
	}
	return 0
}

// number reads a value, little-endian. p has its width.
func (d datatype) number(p []byte) float64 {
	var bits uint64
	for i := range d.width() {
		bits |= uint64(p[i]) << (8 * i)
	}
	switch d {
	case int8Type:
		return float64(int8(bits))
	case int16Type:
		return float64(int16(bits))
	case int32Type:
		return float64(int32(bits))
	case int64Type:
		return float64(int64(bits))
	case half:
		return halfNumber(uint16(bits))
	case bfloat:
		return float64(math.Float32frombits(uint32(bits) << 16))
	case single:
		return float64(math.Float32frombits(uint32(bits)))
	case double:
		return math.Float64frombits(bits)
	case boolType, uint8Type, uint16Type, uint32Type, uint64Type, noDatatype, bytesType:
	}
	return float64(bits)
}

// halfNumber is the value of a half-precision number (IEEE 754 binary16).
func halfNumber(bits uint16) float64 {
	sign := 1.0
	if bits&0x8000 != 0 {
		sign = -1
	}
	exponent, fraction := int(bits>>10&0x1f), float64(bits&0x3ff)
	switch exponent {
	case 0:
		return sign * math.Ldexp(fraction, -24)
	case 0x1f:
		if fraction != 0 {
			return math.NaN()
		}
		return math.Inf(int(sign))
	}
	return sign * math.Ldexp(1024+fraction, exponent-25)
}
