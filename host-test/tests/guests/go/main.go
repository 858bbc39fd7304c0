// A guest in Go, built by the Go compiler itself: a reactor of WASI, with no SDK between it and the ABI.
package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"text/template"
	"time"
	"unsafe"
)

const (
	levelWarn  = 3
	levelError = 4

	requestHeaders      = 0
	pluginConfiguration = 7

	ok = 0
)

// What the plugin is configured to do. The greeting is a template, which gets the language of the caller.
type settings struct {
	Greeting string `json:"greeting"`
}

var (
	greeting = template.New("greeting")
	// What the host writes must be reachable until it is taken, or the collector would free it.
	handed = map[uintptr][]byte{}
)

//go:wasmimport env proxy_log
func proxyLog(level uint32, message *byte, size uint32) uint32

//go:wasmimport env proxy_get_buffer_bytes
func proxyGetBufferBytes(kind, start, size uint32, data, length *uint32) uint32

//go:wasmimport env proxy_get_header_map_value
func proxyGetHeaderMapValue(kind uint32, name *byte, nameSize uint32, data, length *uint32) uint32

//go:wasmimport env proxy_add_header_map_value
func proxyAddHeaderMapValue(kind uint32, name *byte, nameSize uint32, value *byte, valueSize uint32) uint32

// A reactor has no use for main: the host calls its exports.
func main() {}

func init() {
	fmt.Printf("in the year %d, with %d arguments\n", time.Now().UTC().Year(), len(os.Args))
}

//go:wasmexport proxy_abi_version_0_2_1
func abiVersion() {}

//go:wasmexport proxy_on_memory_allocate
func allocate(length uint32) unsafe.Pointer {
	// No two blocks of no bytes may have one address.
	block := make([]byte, max(length, 1))
	at := unsafe.Pointer(unsafe.SliceData(block))
	handed[uintptr(at)] = block
	return at
}

//go:wasmexport proxy_on_context_create
func createContext(context, parent uint32) {}

//go:wasmexport proxy_on_configure
func configure(context, length uint32) uint32 {
	var data uint32
	if proxyGetBufferBytes(pluginConfiguration, 0, length, &data, &length) != ok {
		return 0
	}
	var given settings
	err := json.Unmarshal(take(data, length), &given)
	if err == nil {
		_, err = greeting.Parse(given.Greeting)
	}
	if err != nil {
		log(levelError, err.Error())
		return 0
	}
	return 1
}

//go:wasmexport proxy_on_request_headers
func onRequestHeaders(context, headers, endOfStream uint32) uint32 {
	language := "any language"
	name := "accept-language"
	var data, length uint32
	if proxyGetHeaderMapValue(requestHeaders, bytes(name), size(name), &data, &length) == ok {
		language = string(take(data, length))
		log(levelWarn, fmt.Sprintf("%s is %q", http.CanonicalHeaderKey(name), language))
	}
	var text strings.Builder
	if err := greeting.Execute(&text, language); err != nil {
		log(levelError, err.Error())
		return 0
	}
	name, value := "x-greeting", text.String()
	if proxyAddHeaderMapValue(requestHeaders, bytes(name), size(name), bytes(value), size(value)) != ok {
		log(levelError, "no greeting")
	}
	return 0
}

//go:wasmexport proxy_on_delete
func deleteContext(context uint32) {}

func log(level uint32, message string) {
	proxyLog(level, bytes(message), size(message))
}

func bytes(text string) *byte {
	return unsafe.StringData(text)
}

func size(text string) uint32 {
	return uint32(len(text))
}

// take gives what the host wrote to the collector.
func take(data, length uint32) []byte {
	block := handed[uintptr(data)]
	delete(handed, uintptr(data))
	return block[:length]
}
