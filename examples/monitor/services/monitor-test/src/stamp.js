// 57ca5b0b793f
