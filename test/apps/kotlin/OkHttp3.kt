// OkHttp 4 made properties of these functions. Debian has OkHttp 3, so that the code of docs/apps.md, in the syntax of today,
// is compiled with the properties from here.
import okhttp3.Response
import okhttp3.ResponseBody

val Response.code: Int get() = code()
val Response.body: ResponseBody? get() = body()
