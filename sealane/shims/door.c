// SPDX-License-Identifier: Apache-2.0
/* The programs of cni.py and netavark.py without the start of Python, which takes longer than all that they do.
 *
 *     runtime ── environment or arguments, standard input ──> this program ── POST ──> agent.sock
 *     runtime <─────────── standard output, exit status ───── this program <─── text ─ agent
 *
 * Whatever is out of the ordinary is for the Python program beside it (`plain`): it is executed instead, with
 * the same standard input, and finds the words. It hears "--broken" when the agent may have begun its work.
 *
 * No C library: system calls of Linux on x86-64 (syscall(2)), and memory that is there from the start.
 * `sealane cni install` writes the paths into the program, instead of the words between the @.
 */

#include <asm/unistd.h>
#include <linux/un.h>

#define SIZE(array) ((long)sizeof(array))
enum { READ_AT_ONCE = 1 << 20, LARGEST = 1 << 20, STREAM = 1, CLOSE_ON_EXEC = 02000000 };
enum { NO_SIGNAL = 0x4000, UNIX = 1, SOL_LEVEL = 1, RECEIVE_TIMEOUT = 20, SEND_TIMEOUT = 21, DEADLINE = 100 /* seconds, as in cni.py */ };

char agent[112] = "@agent@";
char plain[512] = "@plain@";
char digest[80] = "@source@" SOURCE;

static char config[LARGEST + 1], request[8 * LARGEST], head[256], answer[4 * LARGEST];
static long config_size, request_size, head_size, answer_size;
static char **environment, **arguments;

static long call(long number, long a, long b, long c, long d, long e)
{
	long result;
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	__asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
			 : "rcx", "r11", "memory");
	return result;
}

static long length(const char *text)
{
	long n = 0;
	while (text[n])
		n++;
	return n;
}

static int begins(const char *text, const char *with)
{
	while (*with)
		if (*text++ != *with++)
			return 0;
	return 1;
}

static int write_all(int file, const char *data, long size, int to_socket)
{
	while (size > 0) {
		long number = to_socket ? __NR_sendto : __NR_write;
		long done = call(number, file, (long)data, size, to_socket ? NO_SIGNAL : 0, 0);
		if (done <= 0)
			return 0;
		data += done, size -= done;
	}
	return 1;
}

/* As much as there is, or as there is room for; -1: it broke off. */
static long read_all(int file, char *data, long room)
{
	long size = 0;
	while (size < room) {
		long left = room - size, got;
		got = call(__NR_read, file, (long)(data + size), left < READ_AT_ONCE ? left : READ_AT_ONCE, 0, 0);
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		size += got;
	}
	return size;
}

static __attribute__((noreturn)) void leave(int status)
{
	for (;;)
		call(__NR_exit_group, status, 0, 0, 0, 0);
}

/* Its words are fewer, but they are true. */
static const char NOBODY[] = "{\"cniVersion\":\"1.0.0\",\"code\":11,\"msg\":\"Sealane's program beside this one can't "
			     "be run; install it again\",\"error\":\"Sealane's program can't be run\"}\n";

static __attribute__((noreturn)) void plainly(int has_read, const char *how)
{
	char *words[8];
	int n = 0;
	if (has_read) {
		long file = call(__NR_memfd_create, (long)"stdin", 0, 0, 0, 0);
		write_all(file, config, config_size, 0);
		call(__NR_lseek, file, 0, 0, 0, 0);
		call(__NR_dup2, file, 0, 0, 0, 0);
	}
	words[n++] = plain;
	for (int given = 1; arguments[given] && n < 6; given++)
		words[n++] = arguments[given];
	if (how)
		words[n++] = (char *)how;
	words[n] = 0;
	call(__NR_execve, (long)plain, (long)words, (long)environment, 0, 0);
	write_all(1, NOBODY, SIZE(NOBODY) - 1, 0);
	leave(1);
}

/* The request: JSON, whose texts are escaped as RFC 8259 (7) wants it. */

static void put(char c)
{
	if (request_size == SIZE(request))
		plainly(1, 0);
	request[request_size++] = c;
}

static void put_text(const char *text)
{
	while (*text)
		put(*text++);
}

static void put_string(const char *text, long size)
{
	static const char digits[] = "0123456789abcdef";
	put('"');
	for (long i = 0; i < size; i++) {
		unsigned char c = text[i];
		if (c < ' ') {
			put_text("\\u00");
			put(digits[c >> 4]), put(digits[c & 15]);
		} else {
			if (c == '"' || c == '\\')
				put('\\');
			put(c);
		}
	}
	put('"');
}

#ifdef NETAVARK
#define PATH "/netavark"
static void put_head(int count)
{
	const char *netns = count > 2 ? arguments[2] : "";
	put_text("{\"verb\":");
	put_string(arguments[1], length(arguments[1]));
	put_text(",\"netns\":");
	put_string(netns, length(netns));
	put(',');
}
#else
#define PATH "/cni"
static void put_head(int count)
{
	const char *between = "";
	(void)count;
	put_text("{\"env\":{");
	for (char **one = environment; *one; one++) {
		long name = 0;
		if (!begins(*one, "CNI_"))
			continue;
		while ((*one)[name] && (*one)[name] != '=')
			name++;
		put_text(between), between = ",";
		put_string(*one, name);
		put(':');
		put_string(*one + name + !!(*one)[name], length(*one + name + !!(*one)[name]));
	}
	put_text("},");
}
#endif

static void say(const char *text)
{
	while (*text)
		head[head_size++] = *text++;
}

static void say_number(long number)
{
	if (number > 9)
		say_number(number / 10);
	head[head_size++] = '0' + number % 10;
}

/* The answer: a status line, headers in lower case, the output of the plugin. */

static long end_of_head(void)
{
	for (long i = 0; i + 4 <= answer_size; i++)
		if (begins(answer + i, "\r\n\r\n"))
			return i + 4;
	return -1;
}

/* -1: there is none. */
static long header(const char *name, long end)
{
	for (long i = 0; i < end; i++)
		if (begins(answer + i, "\r\n") && begins(answer + i + 2, name)) {
			long number = 0;
			for (i += 2 + length(name); answer[i] >= '0' && answer[i] <= '9'; i++)
				number = 10 * number + answer[i] - '0';
			return number;
		}
	return -1;
}

static long connected(void)
{
	struct sockaddr_un address = {.sun_family = UNIX};
	long patience[2] = {DEADLINE, 0}, file = call(__NR_socket, UNIX, STREAM | CLOSE_ON_EXEC, 0, 0, 0);
	for (int i = 0; i < SIZE(address.sun_path) - 1 && agent[i]; i++)
		address.sun_path[i] = agent[i];
	call(__NR_setsockopt, file, SOL_LEVEL, RECEIVE_TIMEOUT, (long)patience, sizeof patience);
	call(__NR_setsockopt, file, SOL_LEVEL, SEND_TIMEOUT, (long)patience, sizeof patience);
	if (call(__NR_connect, file, (long)&address, sizeof address, 0, 0) < 0)
		plainly(1, 0);
	return file;
}

static __attribute__((noreturn)) void ask(const char *path)
{
	long file = connected(), end, size, status;
	say("POST "), say(path), say(" HTTP/1.1\r\nHost: agent\r\nAccept: text/plain\r\nConnection: close\r\n");
	say("Content-Length: "), say_number(request_size), say("\r\n\r\n");
	if (!write_all(file, head, head_size, 1) || !write_all(file, request, request_size, 1))
		plainly(1, "--broken");
	answer_size = read_all(file, answer, SIZE(answer) - 1);
	end = end_of_head(), size = header("content-length: ", end), status = header("sealane-status: ", end);
	if (end < 0 || answer_size != end + size)
		plainly(1, "--broken");
	if (!begins(answer, "HTTP/1.1 200 ") || status < 0)
		plainly(1, 0); /* it was refused unread: asked again, it says why */
	leave(write_all(1, answer + end, size, 0) ? status : 1);
}

/* What can be said without an agent, and what is no call at all. */
static int is_for_plain(int count)
{
#ifdef NETAVARK
	const char *verb = count > 1 ? arguments[1] : "", *aside = "info";
#else
	const char *verb = "", *aside = "VERSION";
	(void)count;
	for (char **one = environment; *one; one++)
		if (begins(*one, "CNI_COMMAND="))
			verb = *one + 12;
#endif
	return !*verb || (begins(verb, aside) && !verb[length(aside)]);
}

__attribute__((used, noreturn)) static void begin(long *stack)
{
	int count = stack[0];
	arguments = (char **)(stack + 1), environment = arguments + count + 1;
	if (is_for_plain(count))
		plainly(0, 0);
	config_size = read_all(0, config, SIZE(config));
	if (config_size < 0 || config_size > LARGEST)
		plainly(1, 0);
	put_head(count);
	put_text("\"config\":");
	put_string(config, config_size);
	put('}');
	ask(PATH);
}

__asm__(".globl _start\n_start:\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall begin\n");
